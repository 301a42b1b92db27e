"""JSON-RPC over streamable HTTP: each request a POST of its own, and whatever goes wrong with it stays with it.

This is a Dispatcher in the SDK's sense, as `rpc.Rpc` is for lines: the SDK's ClientSession runs its handshakes over it,
and calls take the shorter way of `call`. A request is sent and its answer read in the task that asks for it, so leaving
that task is all that it takes to abandon it.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import anyio
import anyio.abc
import httpx2 as httpx
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT, RequestId

from headgate.proxy.connection import CallFailedError, SessionGoneError
from headgate.proxy.exchange import Exchanges
from headgate.proxy.http_body import drained
from headgate.proxy.http_session import COURTESY_S, HttpSession, modern_version
from headgate.proxy.http_stream import Streams
from headgate.proxy.line import Line
from headgate.proxy.messages import encoded
from headgate.proxy.oauth.bearer import NoAccessError

_MAX_COURTESIES = 64
"""How many notifications and answers of ours may be under way or wait for their turn: further ones are dropped."""
_HANDSHAKE = frozenset(("server/discover", "initialize"))
_LAST_WORDS_S = 0.2
"""How long answers may still come over a session that the upstream no longer knows."""


class Streamable(Line):
    """One session, or in the era without sessions whatever stands for it."""

    def __init__(self, client: httpx.AsyncClient, url: str, tasks: anyio.abc.TaskGroup, answer_limit: int) -> None:
        """Requests go out over `client`; what nobody waits for is sent in `tasks`.

        `answer_limit` is the size of the largest message that is taken in, in bytes.
        """
        super().__init__()
        self._session = HttpSession(client, url)
        self._streams = Streams(self._session, self, answer_limit)
        self._exchanges = Exchanges(self._session, self._streams, answer_limit, self.lose)
        self._tasks = tasks
        self._last_id = 0
        self._lost = False
        self._under_way: set[asyncio.Timeout] = set()
        self._courtesies = 0
        self._one_at_a_time = asyncio.Lock()

    async def call(
        self,
        method: str,
        params: Mapping[str, Any],
        identity: RequestId | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        cancel: bool = True,
    ) -> dict[str, Any]:
        """Send a request, with `headers` of its own, and wait for its result.

        Abandoned, it is cancelled over there, unless `cancel` is false.

        Raises:
            CallFailedError: There is no answer.
            MCPError: The upstream answered with an error.

        """
        if self._closed.done():
            raise CallFailedError("UPSTREAM_UNAVAILABLE", self._gone(), sent=False, transient=True)
        if self._lost:
            raise SessionGoneError
        if identity is None:
            self._last_id += 1
            identity = self._last_id
        message = {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}
        ending = asyncio.timeout(None)
        self._under_way.add(ending)
        try:
            async with ending:
                return await self._exchanges.result(identity, message, headers or {})
        except TimeoutError:
            raise CallFailedError("UPSTREAM_ERROR", self._gone(), sent=True, transient=True) from None
        except asyncio.CancelledError:
            # In the newer era the end of the POST says it all.
            if cancel and modern_version(params) is None:
                self._tell("notifications/cancelled", {"requestId": identity})
            raise
        finally:
            self._under_way.remove(ending)

    def close(self, reason: str) -> None:
        """End every request that waits for an answer, and let `run` return."""
        if not self._closed.done():
            self._closed.set_result(reason)
            for call in self._under_way:
                call.reschedule(asyncio.get_running_loop().time())

    async def say_goodbye(self) -> None:
        """End the session over there, if there is one."""
        await self._session.end()

    async def listen(self, changed: Callable[[], None]) -> None:
        """In the handshake era: read what the upstream says of its own accord, for as long as it offers a stream of it.

        A stream that is lost is opened again; `changed` is told that something may have been missed.
        """
        await self._streams.listen(changed, self.lose)

    def lose(self) -> SessionGoneError:
        """Have the session end. What the upstream has answered already may arrive first."""
        gone = SessionGoneError()
        if not self._lost:
            self._lost, self._session.identity = True, None
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, self.close, str(gone))
        return gone

    def reply(self, message: Mapping[str, Any]) -> None:
        """Send the answer to a request of the peer's; into a closed session it is dropped."""
        if self._closed.done() or self._courtesies >= _MAX_COURTESIES:
            return
        self._courtesies += 1
        self._tasks.start_soon(self._be_courteous, encoded(message))

    def _tell(self, method: str, params: Mapping[str, Any] | None) -> None:
        self.reply({"jsonrpc": "2.0", "method": method, "params": {} if params is None else params})

    async def _be_courteous(self, message: bytes) -> None:
        """Send what nobody waits for. One at a time: calls are not to wait for connections that are busy with it."""
        try:
            async with self._one_at_a_time:
                await self._post_and_forget(message)
        finally:
            self._courtesies -= 1

    async def _post_and_forget(self, message: bytes) -> None:
        with anyio.move_on_after(COURTESY_S), suppress(httpx.HTTPError, CallFailedError):
            async with self._session.answered("POST", self._session.headers(), message) as response:
                await drained(response)

    def _gone(self) -> str:
        return f"the upstream is gone: {self._closed.result()}"

    # From here on: what the SDK's sessions ask of a dispatcher.

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Send a request and wait for its result.

        Raises:
            MCPError: The answer was an error, there was none, or `opts["timeout"]` passed.
            NoAccessError: There is no session, and will be none before somebody has logged in.

        """
        options = opts or {}
        cancel = options.get("cancel_on_abandon", True)
        try:
            with anyio.fail_after(options.get("timeout")):
                return await self.call(method, params or {}, options.get("request_id"), cancel=cancel)
        except CallFailedError as failed:
            if isinstance(failed, NoAccessError) and method in _HANDSHAKE:
                raise
            raise MCPError(CONNECTION_CLOSED, str(failed)) from None
        except TimeoutError:
            raise MCPError(REQUEST_TIMEOUT, f"no answer to {method} in {options.get('timeout')} s") from None

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """Send a notification."""
        del opts
        if not self._closed.done():
            await self._post_and_forget(encoded({"jsonrpc": "2.0", "method": method, "params": params or {}}))
