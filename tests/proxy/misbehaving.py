"""The hostile child as an upstream, and a look at what is left of it."""

import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from headgate.proxy.connection import Connection, Opening
from headgate.proxy.stdio import stdio_opener
from headgate.proxy.target import StdioTarget

SCRIPT = Path(__file__).parents[1] / "upstreams" / "hostile.py"
SECRET = "sk-canary-7f3a9c51d2"  # noqa: S105 - a secret to be found wherever it leaks


def hostile(*modes: str, **env: str) -> StdioTarget:
    """The child, misbehaving in these ways from the start."""
    return StdioTarget(sys.executable, ("-S", str(SCRIPT), *modes), {"TOKEN": SECRET, **env})


@asynccontextmanager
async def opened(*modes: str, **env: str) -> AsyncGenerator[Connection]:
    """A session with it."""
    async with stdio_opener(hostile(*modes, **env))(Opening("hostile", lambda: None)) as connection:
        yield connection


async def data_of(connection: Connection, tool: str, **arguments: Any) -> Any:
    """What a call gave back."""
    return (await connection.call_tool(tool, arguments))["structuredContent"]


def is_gone(pid: int, *, collected: bool = False) -> bool:
    """Whether the process has ended; one that nobody has collected yet counts, unless `collected` is asked for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX" and not collected


async def gone(*pids: int, within_s: float = 3.5, collected: bool = False) -> float:
    """Wait until the processes have ended; the seconds that it took."""
    started = time.monotonic()
    with anyio.fail_after(within_s):
        while not all(is_gone(pid, collected=collected) for pid in pids):  # noqa: ASYNC110 - no event tells of the end of somebody else's child
            await anyio.sleep(0.01)
    return time.monotonic() - started
