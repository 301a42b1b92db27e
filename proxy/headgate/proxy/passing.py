"""What goes between a client and one upstream beside calls of tools: other requests, subscriptions, news."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST

from headgate.proxy.client import Client, Clock, PatientClient
from headgate.proxy.connection import CallFailedError, Connection
from headgate.proxy.rounds import to_the_end
from headgate.proxy.session import SessionConnection
from headgate.tools.rules import UpstreamRules

MAX_NAMED = 10_000
"""URIs out of an upstream's results that are kept. The oldest go first."""


@dataclass(slots=True)
class Clients:
    """The clients that there are, whatever they have under way. To be filled in by whoever serves them."""

    news: Callable[[str, str, Mapping[str, Any]], None] = lambda _upstream, _method, _params: None
    """Takes notifications that concern every client: upstream, method, params."""
    anyone: Callable[[], Client | None] = lambda: None
    """Gives the only client there is, where there is only one."""


class Nobody:
    """A client where there is no client."""

    who: Hashable = None
    capabilities: Mapping[str, Any] = {}
    meta: Mapping[str, Any] = {}
    wants_progress = False
    takes_rounds = False

    async def ask(self, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Refuse."""
        del params
        raise MCPError(INVALID_REQUEST, f"{method}: there is no client to ask")

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Drop it."""


NOBODY = Nobody()


@dataclass(slots=True)
class _Clocked:
    clock: Clock | None


class Passing:
    """The way of everything but calls of tools to one upstream. It outlives the upstream's sessions."""

    def __init__(
        self, name: str, rules: Callable[[], UpstreamRules], ready: Callable[[], Awaitable[Connection]]
    ) -> None:
        """`rules` are the upstream's as they stand; `ready` waits for a session."""
        self.name = name
        self._rules = rules
        self._ready = ready
        self.clients = Clients()
        self._sessions: list[SessionConnection] = []
        self._renewing: set[asyncio.Task[None]] = set()
        self._subscribed: Counter[str] = Counter()
        self._named: OrderedDict[str, None] = OrderedDict()

    @property
    def prefix(self) -> bool:
        """Whether its prompts are offered under its own name and theirs."""
        return self._rules().prefix

    def offers(self, what: str) -> bool:
        """Whether the upstream is up and says that it has the capability `what`."""
        return self._connection is not None and self._connection.offers(what)

    def noted(self, result: Mapping[str, Any]) -> Mapping[str, Any]:
        """The result of a call, once the URIs of the resources that it names are kept."""
        content: object = result.get("content")
        for block in cast("list[object]", content) if isinstance(content, list) else ():
            uri = _uri_in(block)
            if uri is not None:
                self._named[uri] = None
                self._named.move_to_end(uri)
        while len(self._named) > MAX_NAMED:
            self._named.popitem(last=False)
        return result

    def has_named(self, uri: str) -> bool:
        """Whether a result has named the resource `uri`."""
        return uri in self._named

    def news(self, method: str, params: Mapping[str, Any]) -> None:
        """Pass a notification on that concerns every client."""
        self.clients.news(self.name, method, params)

    def anyone(self) -> Client | None:
        """The only client there is, where there is only one."""
        return self.clients.anyone()

    async def request(self, method: str, params: Mapping[str, Any], client: Client) -> Mapping[str, Any]:
        """Send any request on behalf of `client`, once there is a session.

        Raises:
            CallFailedError: There is no result, and why.

        """
        timeout_s = self._rules().every_tool.timeout_s
        clock = asyncio.timeout(timeout_s)
        patient = PatientClient(client, _Clocked(clock))
        try:
            async with clock:
                connection = await self._ready()
                if not isinstance(connection, SessionConnection):
                    raise CallFailedError("UPSTREAM_ERROR", f"the upstream does not know {method}", sent=False)
                return await to_the_end(lambda more: connection.request(method, {**params, **more}, patient), patient)
        except TimeoutError:
            if not clock.expired():
                raise
            message = f"no answer to {method} in {timeout_s:g} s"
            raise CallFailedError("TOOL_TIMEOUT", message, sent=True) from None

    async def list(self, method: str, key: str, identity: str) -> list[Mapping[str, Any]]:
        """Every page of a list of the upstream's, which has to be up.

        Raises:
            CallFailedError: There is none, and why.

        """
        connection = self._connection
        if connection is None:
            raise CallFailedError("UPSTREAM_UNAVAILABLE", f'upstream "{self.name}" is not available', sent=False)
        timeout_s = self._rules().every_tool.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return [*await connection.list(method, key, identity)]
        except TimeoutError:
            message = f"no answer to {method} in {timeout_s:g} s"
            raise CallFailedError("TOOL_TIMEOUT", message, sent=True) from None

    async def subscribe(self, uri: str, client: Client) -> None:
        """Have the upstream tell of updates of a resource, over this session and every later one.

        Raises:
            CallFailedError: It does not.

        """
        self._subscribed[uri] += 1
        if self._subscribed[uri] > 1 or self._connection is None:
            return
        try:
            await self._connection.subscribe(uri, client)
        except BaseException:
            self._subscribed[uri] -= 1
            raise

    async def unsubscribe(self, uri: str, client: Client) -> None:
        """End what `subscribe` began; the last to do so ends it over there.

        Raises:
            CallFailedError: The upstream does not take it.

        """
        self._subscribed[uri] -= 1
        if self._subscribed[uri] > 0:
            return
        del self._subscribed[uri]
        if self._connection is not None:
            await self._connection.subscribe(uri, client, wanted=False)

    async def tell(self, method: str) -> None:
        """Send a notification without params, if the upstream is up."""
        if self._connection is not None:
            await self._connection.tell(method)

    async def begin(self, connection: Connection) -> None:
        """Have a session that has come up. Of several, where there are replicas, the oldest is used."""
        if isinstance(connection, SessionConnection):
            self._sessions.append(connection)
            if len(self._sessions) == 1:
                await self._renew(connection)

    def end(self, connection: Connection) -> None:
        """Send nothing more over a session; what there was with it is taken up with the next."""
        before = self._connection
        self._sessions = [session for session in self._sessions if session is not connection]
        if before is connection and self._connection is not None:
            task = asyncio.get_running_loop().create_task(self._renew(self._connection))
            self._renewing.add(task)
            task.add_done_callback(self._renewing.discard)

    @property
    def _connection(self) -> SessionConnection | None:
        return self._sessions[0] if self._sessions else None

    async def _renew(self, connection: SessionConnection) -> None:
        """Subscribe over a session to what was subscribed to over the last one, and have its lists looked at."""
        for uri in [*self._subscribed]:
            with suppress(CallFailedError):
                await connection.subscribe(uri, NOBODY)
        for what in ("prompts", "resources"):
            if connection.offers(what):
                self.news(f"notifications/{what}/list_changed", {})


def _uri_in(block: object) -> str | None:
    if not isinstance(block, dict):
        return None
    fields = cast("dict[str, object]", block)
    kind = fields.get("type")
    holder = fields.get("resource") if kind == "resource" else fields if kind == "resource_link" else None
    uri = cast("dict[str, object]", holder).get("uri") if isinstance(holder, dict) else None
    return uri if isinstance(uri, str) else None
