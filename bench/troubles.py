"""Upstreams in trouble, and the calls that get them there.

python bench/troubles.py FAULT      makes that trouble in a gate of its own until its stdin ends
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit
import uvloop

from headgate.server.opening import open_gate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping

    from headgate.server.gate import Gate

HERE = Path(__file__).parent
HOSTILE = HERE.parent / "tests" / "upstreams" / "hostile.py"
WORKERS, PAUSE_S = 2, 0.05
SHORT_S, LONG_S = 0.5, 5.0
"""How long calls in trouble wait: for what never comes, and for what a child would otherwise have left to do."""
SPEWN_S = 1.0
"""For how long from each call on an upstream floods us by itself: longer than it takes until the next call."""

Calls = tuple[tuple[str, dict[str, Any]], ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """The upstream in trouble, and the calls that make it; others go between where failures would open its breaker."""

    upstream: str
    timeout_s: float
    calls: Calls


def _spewing(what: str) -> Fault:
    """A child that floods us unasked, and is called meanwhile."""
    return Fault("child", LONG_S, (("spew", {"what": what, "s": SPEWN_S}), ("echo", {})))


FAULTS = {
    "stdio hung": Fault("child", SHORT_S, (("hang", {}),)),
    "stdio deaf": Fault("child", SHORT_S, (("deaf", {"s": 3600, "text": "x" * 100_000}),)),
    "stdio crash": Fault("child", SHORT_S, (("die", {}), ("echo", {}), ("echo", {}))),
    "stdio 64 MiB line": Fault("child", LONG_S, (("big", {"bytes": 64 * 1024 * 1024}),)),
    "stdio 64 MiB lines": _spewing("lines"),
    "stdio 64 KiB lines": _spewing("long"),
    "stdio garbage": _spewing("garbage"),
    "stdio news": _spewing("news"),
    "stdio unknown news": _spewing("unknown"),
    "stdio large news": _spewing("large"),
    "stdio changes": _spewing("changes"),
    "stdio questions": _spewing("asks"),
    "stderr flood": _spewing("stderr"),
    "HTTP hung": Fault("far", SHORT_S, (("hang", {}),)),
    "HTTP reset": Fault("far", SHORT_S, (("reset", {}), ("noop", {}), ("noop", {}))),
    "HTTP 64 MiB body": Fault("far", LONG_S, (("flood", {}),)),
    "HTTP 64 MiB event": Fault("far", LONG_S, (("event", {}),)),
    "HTTP news": Fault("far", SHORT_S, (("news", {}),)),
    "HTTP changes": Fault("far", SHORT_S, (("changes", {}),)),
}
NUMBERS = count()


@dataclass(slots=True)
class Made:
    """Calls to the upstream in trouble."""

    calls: int = 0
    answered: int = 0


async def make_trouble(gate: Gate, fault: Fault, made: Made) -> None:
    """Call the upstream in trouble again and again, each call with a short timeout."""
    following = cycle(fault.calls)

    async def work() -> None:
        while True:
            tool, arguments = next(following)
            call = {"tool": f"{fault.upstream}__{tool}", "arguments": {**arguments, "n": next(NUMBERS)}}
            reply = await gate.batch([{**call, "timeout_s": fault.timeout_s}])
            made.calls += 1
            made.answered += all(one["status"] == "ok" for one in reply["results"])
            await asyncio.sleep(PAUSE_S)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(WORKERS):
            tasks.create_task(work())


@contextmanager
def served() -> Generator[str]:
    """The URL of an HTTP server of our own, until the block ends."""
    with subprocess.Popen(
        [sys.executable, str(HERE / "faulty_http.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            sys.exit("the server has no pipes")
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


@contextmanager
def troubled() -> Generator[dict[str, Any]]:
    """The settings of two upstreams that get into trouble when told to."""
    tools = ("echo", "hang", "deaf", "big", "die", "spew")
    with served() as url:
        yield {
            "child": {
                "command": sys.executable,
                "args": ["-S", str(HOSTILE)],
                "retries": 0,
                "tools": {name: {"class": "read"} for name in tools},
            },
            "far": {"url": url, "trust_annotations": True, "retries": 0},
        }


@asynccontextmanager
async def gate_over(upstreams: Mapping[str, Any]) -> AsyncGenerator[Gate]:
    """A gate over these, all of them ready."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = folder / "headgate.toml"
        config.write_text(tomlkit.dumps({"headgate": {"journal": str(folder / "j.db")}, "upstreams": upstreams}))
        async with open_gate(config) as gate:
            async with asyncio.timeout(30):
                while any(one.state != "ready" for one in gate.upstreams()):  # noqa: ASYNC110 - one may start twice
                    await asyncio.sleep(0.05)
            yield gate


async def alone(fault: Fault) -> None:
    """Make trouble until stdin ends."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def wait() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    with troubled() as upstreams:
        async with gate_over({fault.upstream: upstreams[fault.upstream]}) as gate, asyncio.TaskGroup() as tasks:
            threading.Thread(target=wait, daemon=True).start()
            trouble = tasks.create_task(make_trouble(gate, fault, Made()))
            sys.stdout.write("\n")
            sys.stdout.flush()
            await ended.wait()
            trouble.cancel()


if __name__ == "__main__":
    uvloop.run(alone(FAULTS[sys.argv[1]]))
