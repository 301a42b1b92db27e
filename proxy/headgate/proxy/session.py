"""An MCP session with an upstream, whatever carries it: the handshake of either era, its tools, and calls."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import anyio
import mcp_types as types
from mcp.client.session import ClientSession
from mcp.client.subscriptions import listen
from mcp.shared.dispatcher import Dispatcher
from mcp.shared.exceptions import MCPError
from mcp.shared.transport_context import TransportContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from headgate.proxy.connection import (
    AnsweredWithErrorError,
    CallFailedError,
    Opening,
    SessionGoneError,
    TakenBackError,
    UnavailableError,
)
from headgate.proxy.redact import redacted
from headgate.proxy.rpc import LineClosedError
from headgate.tools.result import presentable

logger = logging.getLogger(__name__)

CLIENT_NAME = "headgate"
PROBE_S = 3.0
"""How long an upstream may take over `server/discover`; one that ignores it is of the handshake era."""
HANDSHAKE_S = 120.0
"""How long it may take over `initialize`: a command such as `npx` may first have to download the server."""
_LISTEN_AGAIN_S, _LONGEST_S = 1.0, 60.0
"""How long to wait before listening for changes again, at first and at most."""
MAX_PAGES = 100
"""Pages of one tools/list: an upstream that pages for ever ends here."""
MAX_TOOLS = 10_000
"""Tools of one upstream."""


class Send(Protocol):
    """Sends a request and waits for its result; raises CallFailedError."""

    async def __call__(
        self, method: str, params: dict[str, Any], headers: Mapping[str, str] | None = None, /
    ) -> Mapping[str, Any]:
        """`headers` are for this one request, where there is an HTTP request that could carry them."""
        ...


@dataclass(frozen=True, slots=True)
class SessionConnection:
    """A Connection over an MCP session that has been negotiated."""

    send: Send
    ended: Callable[[], Awaitable[str]]
    meta: Mapping[str, Any] | None
    """What each request carries in the era without sessions; `None` in the handshake era."""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """What must not be shown, should the upstream's own words hold it."""

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

    async def list_tools(self) -> Sequence[Mapping[str, Any]]:
        """Every page of tools/list."""
        found: list[Mapping[str, Any]] = []
        names: set[object] = set()
        seen: set[str] = set()
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            params: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
            if self.meta is not None:
                params["_meta"] = self.meta
            try:
                page = await self.send("tools/list", params)
            except AnsweredWithErrorError as refused:
                words = redacted(str(refused), self.secrets)
                raise CallFailedError("UPSTREAM_ERROR", f"it does not list its tools: {words}", sent=True) from None
            except TakenBackError:
                raise asyncio.CancelledError from None
            tools = page.get("tools")
            if not isinstance(tools, list):
                raise CallFailedError("UPSTREAM_ERROR", "its answer to tools/list holds no list of tools", sent=True)
            new = [tool for tool in _definitions(cast("list[object]", tools)) if tool["name"] not in names]
            found += new
            names.update(tool["name"] for tool in new)
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str) or cursor in seen or (tools and not new):
                return found
            seen.add(cursor)
            if len(found) > MAX_TOOLS:
                break
        logger.warning("a list of tools goes on and on: the first %d count", len(found))
        return found

    async def closed(self) -> str:
        """Wait for the end of the session."""
        return await self.ended()


def _definitions(listed: Sequence[object]) -> Iterator[Mapping[str, Any]]:
    """Those of the entries that are tools with a name."""
    for entry in listed:
        if isinstance(entry, dict):
            tool = cast("dict[str, Any]", entry)
            if isinstance(tool.get("name"), str):
                yield tool


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
) -> AsyncGenerator[tuple[ClientSession, Mapping[str, Any] | None]]:
    """A session over `dispatcher` that speaks the newest era the upstream knows, and its per-request `_meta`.

    Raises:
        UnavailableError: The upstream does not answer, or shares no protocol version.

    """

    async def on_message(message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            opening.tools_changed()

    client_info = types.Implementation(name=CLIENT_NAME, version=_version())
    async with ClientSession(dispatcher=dispatcher, client_info=client_info, message_handler=on_message) as session:
        await _agree_on_an_era(session, secrets, known or KnownEra())
        async with anyio.create_task_group() as tasks:
            if session.protocol_version in MODERN_PROTOCOL_VERSIONS:
                tasks.start_soon(_watch_tools, session, opening)
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


async def _watch_tools(session: ClientSession, opening: Opening) -> None:
    """Ask for tools/list_changed where the era has no notifications of its own accord. Not all upstreams offer it.

    A stream that is lost is opened again, and what may have changed meanwhile is looked at.
    """
    wait_s = _LISTEN_AGAIN_S
    offered = False
    while True:
        try:
            async with listen(session, tools_list_changed=True) as changes:
                offered = True
                async for _ in changes:
                    wait_s = _LISTEN_AGAIN_S
                    opening.tools_changed()
        except Exception as broken:  # noqa: BLE001 - without news of changes the upstream is as good as with them
            logger.debug('upstream "%s" tells of no changes (%s)', opening.upstream, type(broken).__name__)
            if not offered:
                return
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, _LONGEST_S)
        opening.tools_changed()


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
    return AnsweredWithErrorError(words or "the upstream answered with an error")


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - slow to import, and wanted once a connection

    return version("headgate")
