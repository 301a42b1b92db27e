"""Gates over upstreams inside the process, which write down what happens to each of their calls."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp
from mcp.server.lowlevel.server import Server
from mcp.shared.memory import create_client_server_memory_streams

from headgate.proxy.connection import Connection, Open, Opening
from headgate.proxy.memory import MemoryUpstream
from headgate.server.era import serve_client
from headgate.server.gate import Gate
from headgate.server.lines import sink_of, source_of
from headgate.server.mcp_server import McpServer, mcp_server
from headgate.server.opening import gate_over
from headgate.server.settings import HeadgateSettings, Settings
from headgate.server.stdio import LinesIn, LinesOut, Unanswered
from headgate.tools.rules import UpstreamRules


def tool(name: str, *, read: bool, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": f"The tool {name}",
        "inputSchema": {"type": "object"},
        "annotations": {"readOnlyHint": read},
        **more,
    }


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said}], **more}


@dataclass(slots=True)
class Shop:
    """An upstream with a read and a write that take as many seconds as they are told, and say when they end."""

    events: list[str] = field(default_factory=list[str])
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """Further reads, by name, and what they always answer."""
    definitions: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    """Further definitions, for listing only."""
    upstream: MemoryUpstream = field(init=False)

    def __post_init__(self) -> None:
        fixed = [tool(name, read=True) for name in self.results]
        self.upstream = MemoryUpstream(
            [tool("look", read=True), tool("pay", read=False), *fixed, *self.definitions],
            {"look": self._timed, "pay": self._timed}
            | {name: self._answering(dict(result)) for name, result in self.results.items()},
        )

    @property
    def open(self) -> Open:
        return self.upstream.open

    async def _timed(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        tag = str(arguments.get("tag", ""))
        self.events.append(f"{tag} starts")
        try:
            await asyncio.sleep(arguments.get("s", 0))
        except asyncio.CancelledError:
            self.events.append(f"{tag} is cancelled")
            raise
        self.events.append(f"{tag} ends")
        return text("", structuredContent={"tag": tag, **({"echo": arguments["echo"]} if "echo" in arguments else {})})

    @staticmethod
    def _answering(result: Mapping[str, Any]) -> Any:
        async def answer(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
            return result

        return answer


@asynccontextmanager
async def never_up(_opening: Opening) -> AsyncGenerator[Connection]:
    """An opener whose upstream hangs for ever."""
    await asyncio.Event().wait()
    raise AssertionError
    yield  # pyright: ignore[reportUnreachable]


@asynccontextmanager
async def gate_with(
    *, rules: UpstreamRules | None = None, others: Mapping[str, Open] | None = None, shop: Shop, **headgate: Any
) -> AsyncGenerator[Gate]:
    """A gate over `shop` and `others`, where the upstreams that can come up are up."""
    openers = {"shop": (rules or UpstreamRules(), shop.open)}
    openers |= {name: (UpstreamRules(), opener) for name, opener in (others or {}).items()}
    settings = Settings(HeadgateSettings(**headgate), {})
    async with gate_over(settings, openers) as gate:
        if not others:
            await gate.settled(5)
        yield gate


@asynccontextmanager
async def client_of(gate: Gate, mode: str, **options: Any) -> AsyncGenerator[mcp.Client]:
    """An SDK client of the server in front of `gate`.

    `legacy` is the handshake era, `auto` and `wire` the newest; `stdio` and `newer stdio` are these over our own lines.
    """
    server, changes = mcp_server(gate)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(changes.run)
        over: dict[str, tuple[Any, str]] = {
            "wire": (_over_streams(server), "auto"),
            "stdio": (_over_stdio(server), "legacy"),
            "newer stdio": (_over_stdio(server), "auto"),
        }
        target, era = over.get(mode, (server, mode))
        async with mcp.Client(target, mode=era, **options) as client:  # pyright: ignore[reportArgumentType]
            yield client
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def _over_streams(server: Server[Any]) -> AsyncGenerator[Any]:
    """The newest era in messages: in memory the SDK would hand over objects, and leave out what only a wire needs."""
    async with create_client_server_memory_streams() as (client_side, server_side), anyio.create_task_group() as tasks:
        tasks.start_soon(server.run, *server_side, server.create_initialization_options())
        yield client_side
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def _over_stdio(server: McpServer) -> AsyncGenerator[Any]:
    async with served(server) as (reading, writing):
        unanswered = Unanswered()
        source, sink = await source_of(reading), sink_of(writing)
        try:
            yield LinesIn(source, unanswered, wait=False), LinesOut(sink, unanswered, lambda: None)
        finally:
            source.close()
            await sink.close()


@asynccontextmanager
async def served(server: McpServer) -> AsyncGenerator[tuple[int, int]]:
    """`server` as over stdio: the file descriptors to read its answers from, and to write requests to."""
    (requests, to_server), (answers, from_server) = os.pipe(), os.pipe()
    source, sink = await source_of(requests), sink_of(from_server)
    unanswered = Unanswered()
    reading, writing = LinesIn(source, unanswered, wait=False), LinesOut(sink, unanswered, lambda: None)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve_client(server, reading, writing))
        try:
            yield answers, to_server
        finally:
            serving.cancel()
            await asyncio.wait([serving], timeout=5)
            source.close()
            await sink.close()


def look(tag: str, seconds: float = 0, **more: Any) -> dict[str, Any]:
    return {"id": tag, "tool": "shop__look", "arguments": {"tag": tag, "s": seconds}, **more}


def pay(tag: str, seconds: float = 0, **more: Any) -> dict[str, Any]:
    return {"id": tag, "tool": "shop__pay", "arguments": {"tag": tag, "s": seconds}, **more}


def by_id(reply: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {result["id"]: result for result in reply["results"]}


def ended(reply: Mapping[str, Any]) -> dict[str, str]:
    """How each call ended: its error code, or its status where it has none."""
    return {result["id"]: result.get("error_code", result["status"]) for result in reply["results"]}


def said(result: Any) -> str:
    """The text of a tool's result."""
    blocks: Sequence[Any] = result.content
    return str(blocks[0].text)
