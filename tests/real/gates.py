"""Gates and served headgates for the tests: started, ready, and ended again."""

import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import mcp

from headgate.server.gate import Gate
from headgate.server.opening import open_gate

START_LIMIT_S = 30
STOP_LIMIT_S = 10


@asynccontextmanager
async def ready_gate(config: Path) -> AsyncGenerator[Gate]:
    """A gate whose upstreams have all told their tools, so that no test times a start."""
    async with open_gate(config) as gate:
        wanted = upstreams_in(config)
        with anyio.fail_after(START_LIMIT_S):
            while {tool.upstream for tool in gate.catalogue().tools} != wanted:  # noqa: ASYNC110 - one may start twice
                await anyio.sleep(0.02)
        yield gate


def upstreams_in(config: Path) -> set[str]:
    return set(tomllib.loads(config.read_text(encoding="utf-8"))["upstreams"])


def serve_command(config: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "headgate", "serve", "--config", str(config), *more]


def stdio_headgate(config: Path) -> mcp.StdioServerParameters:
    """For the SDK's client, which hands on next to nothing of its environment by itself."""
    command, *args = serve_command(config)
    return mcp.StdioServerParameters(command=command, args=args, env=dict(os.environ))


@contextmanager
def http_headgate(config: Path, options: Sequence[str] = ("--no-auth",)) -> Generator[str]:
    """The URL of a headgate that serves HTTP until the block ends: whoever comes, unless `options` say otherwise."""
    port = free_port()
    with subprocess.Popen(serve_command(config, "--http", f"127.0.0.1:{port}", *options)) as process:
        try:
            wait_for_port(port, process)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()
            try:
                process.wait(STOP_LIMIT_S)
            finally:
                process.kill()  # does nothing to one that has ended; one that has not has failed its test


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"headgate ended with exit code {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port} after {START_LIMIT_S} s")
