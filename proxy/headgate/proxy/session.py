"""An MCP session with an upstream, whatever carries it: the handshake of either era, its tools, and calls."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, cast

import anyio
import mcp_types as types
from mcp.client.session import ClientSession
from mcp.shared.dispatcher import Dispatcher
from mcp.shared.exceptions import MCPError
from mcp.shared.transport_context import TransportContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from headgate.proxy.attempt import Attempt
from headgate.proxy.client import Client, patient
from headgate.proxy.client_session import Session
from headgate.proxy.connection import (
    AnsweredWithErrorError,
    CallFailedError,
    Opening,
    SessionGoneError,
    TakenBackError,
    UnavailableError,
)
from headgate.proxy.direct import Direct
from headgate.proxy.news import listen_for_changes, listen_for_updates
from headgate.proxy.redact import redacted
from headgate.proxy.rpc import LineClosedError
from headgate.proxy.traffic import meta_for
from headgate.tools.result import presentable

logger = logging.getLogger(__name__)

CLIENT_NAME = "headgate"
PROBE_S = 3.0
"""How long an upstream may take over `server/discover`; one that ignores it is of the handshake era."""
HANDSHAKE_S = 120.0
"""How long it may take over `initialize`: a command such as `npx` may first have to download the server."""
MAX_PAGES = 100
"""Pages of one list: an upstream that pages for ever ends here."""
MAX_LISTED = 10_000
"""Things of one kind that one upstream lists."""


class Send(Protocol):
    """Sends a request and waits for its result; raises CallFailedError."""

    async def __call__(
        self, method: str, params: dict[str, Any], headers: Mapping[str, str] | None = None, /
    ) -> Mapping[str, Any]:
        """`headers` are for this one request, where there is an HTTP request that could carry them."""
        ...


SendDirect = Callable[[str, Mapping[str, Any], Direct], bool]
"""Sends a request whose answer goes to the one that it belongs to; whether that was possible."""


@dataclass(frozen=True, slots=True)
class SessionConnection:
    """A Connection over an MCP session that has been negotiated."""

    send: Send
    ended: Callable[[], Awaitable[str]]
    meta: Mapping[str, Any] | None
    """What each request carries in the era without sessions; `None` in the handshake era."""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """What must not be shown, should the upstream's own words hold it."""
    session: "Session | None" = None
    """What there is to the session beside requests and answers; `None` where there is nothing."""
    send_direct: "SendDirect | None" = None
    """Sends a request without waiting, where its carrier can."""

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """Send one call."""
        params: dict[str, Any] = {"name": name, "arguments": arguments}
        if meta is not None:
            params["_meta"] = {**(self.meta or {}), **meta}
        elif self.meta is not None:
            params["_meta"] = self.meta
        return await self.send("tools/call", params, headers)

    async def call_for(self, client: Client, attempt: Attempt, input_: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a call, with the input that was required, that has somebody whom to ask and tell something."""
        params = {"name": attempt.tool.name, "arguments": attempt.arguments, **(attempt.input or {}), **input_}
        return await self.request("tools/call", params, client, meta=attempt.meta, headers=attempt.headers)

    def begin(self, direct: Direct) -> bool:
        """Send a call without waiting for its answer; whether that was possible."""
        attempt, send = direct.attempt, self.send_direct
        if send is None:
            return False
        params: dict[str, Any] = {"name": attempt.tool.name, "arguments": attempt.arguments}
        if attempt.client is None or self.session is None:
            if self.meta is not None:
                params["_meta"] = self.meta
            return send("tools/call", params, direct)
        client, traffic = patient(attempt.client, attempt), self.session.traffic
        token = traffic.enter(client)
        shown = meta_for(client, self.meta, token)
        if shown:
            params["_meta"] = shown
        if not send("tools/call", params, direct):
            traffic.leave(token)
            return False
        direct.clear_away(partial(traffic.leave, token))
        return True

    async def request(
        self,
        method: str,
        params: Mapping[str, Any],
        client: Client,
        *,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """Send any request on behalf of `client`, with `meta` added to its `_meta`.

        Raises:
            CallFailedError: There is no result, and why.

        """
        if self.session is None:
            raise CallFailedError("UPSTREAM_ERROR", f"the upstream does not know {method}", sent=False)

        def sending(token: int) -> Awaitable[Mapping[str, Any]]:
            shown = meta_for(client, self.meta, token)
            if meta is not None:
                shown |= meta
            return self.send(method, {**params, "_meta": shown} if shown else {**params}, headers)

        return await self.session.traffic.under_way(client, sending)

    def offers(self, what: str) -> bool:
        """Whether the upstream says that it has the capability `what`."""
        return self.session is not None and self.session.offers(what)

    async def subscribe(self, uri: str, client: Client, *, wanted: bool = True) -> None:
        """Have the upstream tell of updates of the resource `uri`, or no more.

        Raises:
            CallFailedError: It does not.

        """
        if self.session is not None and self.meta is not None:
            await self.session.wanted.want(uri, wanted=wanted)
        else:
            await self.request("resources/subscribe" if wanted else "resources/unsubscribe", {"uri": uri}, client)

    async def tell(self, method: str) -> None:
        """Send a notification without params, where the era has it."""
        if self.session is not None and self.meta is None:
            await self.session.notify(method)

    async def list_tools(self) -> Sequence[Mapping[str, Any]]:
        """Every page of tools/list."""
        return await self.list("tools/list", "tools", "name")

    async def list(self, method: str, key: str, identity: str) -> Sequence[Mapping[str, Any]]:
        """Every page of a list: what stands under `key` in the answers to `method`, each once by its `identity`.

        Raises:
            CallFailedError: The upstream did not answer, or not with a list.

        """
        found: list[Mapping[str, Any]] = []
        names: set[object] = set()
        seen: set[str] = set()
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            params: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
            if self.meta is not None:
                params["_meta"] = self.meta
            try:
                page = await self.send(method, params)
            except AnsweredWithErrorError as refused:
                words = redacted(str(refused), self.secrets)
                raise CallFailedError("UPSTREAM_ERROR", f"it does not list its {key}: {words}", sent=True) from None
            except TakenBackError:
                raise asyncio.CancelledError from None
            listed = page.get(key)
            if not isinstance(listed, list):
                raise CallFailedError("UPSTREAM_ERROR", f"its answer to {method} holds no list of {key}", sent=True)
            new = [it for it in _definitions(cast("list[object]", listed), identity) if it[identity] not in names]
            found += new
            names.update(it[identity] for it in new)
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str) or cursor in seen or (listed and not new):
                return found
            seen.add(cursor)
            if len(found) > MAX_LISTED:
                break
        logger.warning("a list of %s goes on and on: the first %d count", key, len(found))
        return found

    async def closed(self) -> str:
        """Wait for the end of the session."""
        return await self.ended()


def _definitions(listed: Sequence[object], identity: str) -> Iterator[Mapping[str, Any]]:
    """Those of the entries that have what identifies them."""
    for entry in listed:
        if isinstance(entry, dict):
            definition = cast("dict[str, Any]", entry)
            if isinstance(definition.get(identity), str):
                yield definition


@dataclass(slots=True)
class KnownEra:
    """What an upstream's last session has shown, so that the next one need not find out again."""

    is_old: bool = False
    """Whether it is of the handshake era, and may take its time over a probe for the newer one."""


@asynccontextmanager
async def negotiated(
    dispatcher: Dispatcher[TransportContext],
    opening: Opening,
    secrets: frozenset[str] = frozenset(),
    known: KnownEra | None = None,
) -> AsyncGenerator[tuple[Session, Mapping[str, Any] | None]]:
    """A session over `dispatcher` that speaks the newest era the upstream knows, and its per-request `_meta`.

    Raises:
        UnavailableError: The upstream does not answer, or shares no protocol version.

    """
    client_info = types.Implementation(name=CLIENT_NAME, version=_version())
    async with Session(dispatcher, opening, client_info) as session:
        await _agree_on_an_era(session, secrets, known or KnownEra())
        async with anyio.create_task_group() as tasks:
            if session.protocol_version in MODERN_PROTOCOL_VERSIONS:
                tasks.start_soon(listen_for_changes, session, opening)
                tasks.start_soon(listen_for_updates, session, opening, session.wanted)
            yield session, _meta_of(session, client_info)
            tasks.cancel_scope.cancel()


async def _agree_on_an_era(session: ClientSession, secrets: frozenset[str], known: KnownEra) -> None:
    if not known.is_old:
        with contextlib.suppress(MCPError, TimeoutError, RuntimeError, ValueError):
            async with asyncio.timeout(PROBE_S):
                await session.discover()
                return
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            await _initialize(session)
        known.is_old = session.protocol_version not in MODERN_PROTOCOL_VERSIONS
    except TimeoutError:
        raise UnavailableError(f"no answer to initialize in {HANDSHAKE_S:g} s") from None
    except ValidationError:
        raise UnavailableError("it does not complete the MCP handshake: its answer is not a valid one") from None
    except (MCPError, RuntimeError, ValueError) as refused:
        words = redacted(presentable(str(refused)), secrets)
        raise UnavailableError(f"it does not complete the MCP handshake: {words}") from None


async def _initialize(session: ClientSession) -> None:
    """Shake hands. An upstream that was slow to start may have taken the probe after all: then probe again."""
    try:
        await session.initialize()
    except MCPError as refused:
        if refused.code != types.UNSUPPORTED_PROTOCOL_VERSION:
            raise
        await session.discover()


def _meta_of(session: ClientSession, client_info: types.Implementation) -> Mapping[str, Any] | None:
    version = session.protocol_version
    if version not in MODERN_PROTOCOL_VERSIONS:
        return None
    return {
        types.PROTOCOL_VERSION_META_KEY: version,
        types.CLIENT_INFO_META_KEY: client_info.model_dump(by_alias=True, mode="json", exclude_none=True),
        types.CLIENT_CAPABILITIES_META_KEY: {},
    }


def line_closed(closed: LineClosedError) -> CallFailedError:
    """The failure of a call whose line was gone."""
    message = f"the upstream is gone: {closed}"
    return (
        CallFailedError("UPSTREAM_ERROR", message, sent=True, transient=True)
        if closed.sent
        else SessionGoneError(message)
    )


def answered_with_error(error: MCPError, secrets: frozenset[str] = frozenset()) -> CallFailedError:
    """The failure of a call that the upstream answered with a protocol error, without `secrets`."""
    words = redacted(presentable(error.error.message), secrets)
    return AnsweredWithErrorError(words or "the upstream answered with an error", error.error.code, error.error.data)


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - slow to import, and wanted once a connection

    return version("headgate")
