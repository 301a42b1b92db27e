"""What an upstream asks and tells of its own accord, brought to the client whose request it belongs to.

An answer says by its id what it answers; a question does not. What comes on a request's own stream belongs to that
request. On a line that all share, it belongs to the one client that has requests under way there; where there are
several, nobody can tell, and what might be another's is shown to none.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import anyio.abc
from mcp.shared.dispatcher import CallOptions, DispatchContext, Dispatcher, OnNotify, OnNotifyIntercept, OnRequest
from mcp.shared.exceptions import MCPError
from mcp.shared.transport_context import TransportContext
from mcp_types import CLIENT_CAPABILITIES_META_KEY, INVALID_REQUEST, LOG_LEVEL_META_KEY

from headgate.proxy.client import CLIENT, Client

logger = logging.getLogger(__name__)

ASKED = frozenset(("elicitation/create", "sampling/createMessage", "roots/list"))
"""What an upstream may ask of a client."""
_OF_REQUESTS = frozenset(("notifications/message", "notifications/elicitation/complete"))
_NEWS = frozenset(
    (
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
    )
)
_PROGRESS = "notifications/progress"

Result = Mapping[str, Any]
Tell = Callable[[str, Mapping[str, Any]], None]
"""Takes a notification's method and params."""


class Traffic:
    """The requests under way in one session that somebody waits for."""

    def __init__(self, news: Tell, anyone: Callable[[], Client | None]) -> None:
        """`news` takes what concerns every client; `anyone` gives the only client there is, where there is only one."""
        self._news = news
        self._anyone = anyone
        self._last_token = 0
        self._under_way: dict[int, Client] = {}

    async def under_way(self, client: Client, sending: Callable[[int], Awaitable[Result]]) -> Result:
        """Send a request on behalf of `client`: `sending` takes the token that progress of it is told under."""
        token = self.enter(client)
        before = CLIENT.set(client)
        try:
            return await sending(token)
        finally:
            CLIENT.reset(before)
            self.leave(token)

    def enter(self, client: Client) -> int:
        """A request of `client` is under way; the token that progress of it is told under. `leave` ends that."""
        self._last_token += 1
        self._under_way[self._last_token] = client
        return self._last_token

    def leave(self, token: int) -> None:
        """The request of that token is over."""
        del self._under_way[token]

    def tapped(self, dispatcher: Dispatcher[TransportContext]) -> Dispatcher[TransportContext]:
        """`dispatcher`, with what is for clients taken out of what it serves."""
        return _Tapped(dispatcher, self)

    async def ask(self, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Have the client that a request belongs to answer it.

        Raises:
            MCPError: There is none, or it cannot or will not.

        """
        client = self._whose() or (None if self._under_way else self._anyone())
        if client is None:
            why = "there is no client to ask" if not self._under_way else "nobody can tell whose call it belongs to"
            raise MCPError(INVALID_REQUEST, f"{method}: {why}")
        return await client.ask(method, params)

    def take(self, method: str, params: Mapping[str, Any] | None) -> bool:
        """Pass a notification on, if it is for clients; whether it was."""
        params = params or {}
        if method == _PROGRESS:
            token = params.get("progressToken")
            client = self._under_way.get(token) if isinstance(token, int) else None
        elif method in _NEWS:
            self._news(method, params)
            return True
        elif method in _OF_REQUESTS:
            client = self._whose() or (None if self._under_way else self._anyone())
        else:
            return False
        if client is not None:
            client.tell(method, params)
        return True

    def _whose(self) -> Client | None:
        own = CLIENT.get()
        if own is not None:
            return own
        latest = {client.who: client for client in self._under_way.values()}
        return next(iter(latest.values())) if len(latest) == 1 else None


def meta_for(client: Client, meta: Mapping[str, Any] | None, token: int) -> dict[str, Any]:
    """The `_meta` of a request on behalf of `client`; `meta` is the session's own, where the era has one."""
    shown = {**client.meta}
    if meta is None:
        shown.pop(LOG_LEVEL_META_KEY, None)
    else:
        shown |= meta
        shown[CLIENT_CAPABILITIES_META_KEY] = client.capabilities
    if client.wants_progress:
        shown["progressToken"] = token
    return shown


class _Tapped:
    """A dispatcher as the SDK's session sees it."""

    def __init__(self, dispatcher: Dispatcher[TransportContext], traffic: Traffic) -> None:
        self._dispatcher = dispatcher
        self._traffic = traffic

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        return await self._dispatcher.send_raw_request(method, params, opts)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        await self._dispatcher.notify(method, params, opts)

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        async def answer(
            context: DispatchContext[TransportContext], method: str, params: Mapping[str, Any] | None
        ) -> dict[str, Any]:
            if method in ASKED:
                return await self._traffic.ask(method, params)
            return await on_request(context, method, params)

        def intercept(method: str, params: Mapping[str, Any] | None) -> bool:
            consumed = on_notify_intercept is not None and on_notify_intercept(method, params)
            return consumed or self._traffic.take(method, params)

        await self._dispatcher.run(answer, on_notify, intercept, task_status=task_status)
