"""What a call over stdio costs on the client's side: headgate's connection beside the SDK's client and the bare pipe.

    python bench/stdio_client.py [--seconds S] [--rounds N] [--loop asyncio|uvloop]

The same raw server answers all three, 64 calls are always in flight, and the contestants take turns. CPU is that of
this process alone: the server's is not in it. It is a report: a missed goal does not change the exit code.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from pipe_client import PipeClient, kill_stragglers

from headgate.proxy.connection import Opening
from headgate.proxy.stdio import stdio_opener
from headgate.proxy.target import StdioTarget

SERVER = Path(__file__).parent / "fixture_server.py"
IN_FLIGHT = 64
FASTER, DEARER = 4.0, 2.5
"""The goals: so many times the SDK's calls a second, and at most so many times the bare pipe's CPU a call."""

Call = Callable[[int], Awaitable[Any]]


@dataclass
class Measured:
    """What was measured of one contestant, a figure for each round."""

    per_s: list[float] = field(default_factory=list[float])
    cpu_us: list[float] = field(default_factory=list[float])


@contextlib.asynccontextmanager
async def bare_pipe(folder: Path) -> AsyncGenerator[Call]:
    """Pipes, orjson, a future a call."""
    client = await PipeClient.start(
        (sys.executable, str(SERVER)), env=dict(os.environ), folder=folder, log=folder / "log"
    )
    await client.initialize()
    try:
        yield lambda n: client.request("tools/call", {"name": "noop", "arguments": {"n": n}})
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def headgate(folder: Path) -> AsyncGenerator[Call]:
    """The connection that headgate calls its upstreams over."""
    target = StdioTarget(sys.executable, (str(SERVER),), cwd=str(folder))
    async with stdio_opener(target)(Opening("fixture", lambda: None)) as connection:
        yield lambda n: connection.call_tool("noop", {"n": n})


@contextlib.asynccontextmanager
async def sdk(folder: Path) -> AsyncGenerator[Call]:
    """The MCP SDK's own client."""
    server = StdioServerParameters(command=sys.executable, args=[str(SERVER)], cwd=str(folder))
    with (folder / "log").open("a") as log:
        async with Client(stdio_client(server, errlog=log)) as client:
            await client.list_tools()
            yield lambda n: client.call_tool("noop", {"n": n})


async def load(call: Call, seconds: float) -> tuple[float, float]:
    """Keep calls in flight for so long; calls a second, and microseconds of CPU a call."""
    ends = time.perf_counter() + seconds
    done = 0

    async def worker(number: int) -> None:
        nonlocal done
        while time.perf_counter() < ends:
            await call(number)
            done += 1

    began, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for number in range(IN_FLIGHT):
            tasks.create_task(worker(number))
    return done / (time.perf_counter() - began), (time.process_time() - cpu) / done * 1e6


async def race(seconds: float, rounds: int) -> dict[str, Measured]:
    """Measure all of them in turns, after a first round that does not count."""
    contestants = {"bare pipe": bare_pipe, "headgate": headgate, "SDK": sdk}
    measured = {name: Measured() for name in contestants}
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
        async with contextlib.AsyncExitStack() as stack:
            calls = {name: await stack.enter_async_context(open_(Path(folder))) for name, open_ in contestants.items()}
            for number in range(rounds + 1):
                for name, call in calls.items():
                    per_s, cpu_us = await load(call, seconds)
                    if number:
                        measured[name].per_s.append(per_s)
                        measured[name].cpu_us.append(cpu_us)
    return measured


def report(measured: dict[str, Measured]) -> None:
    """Print the table and what it says of the goals."""
    per_s = {name: statistics.median(each.per_s) for name, each in measured.items()}
    cpu_us = {name: statistics.median(each.cpu_us) for name, each in measured.items()}
    print(f"{IN_FLIGHT} no-op calls in flight over stdio")
    for name in measured:
        print(f"  {name:10} {per_s[name]:10,.0f} calls/s {cpu_us[name]:8.1f} µs of CPU a call")
    faster, dearer = per_s["headgate"] / per_s["SDK"], cpu_us["headgate"] / cpu_us["bare pipe"]
    print(f"  calls a second beside the SDK's: {faster:.1f}x (goal: at least {FASTER:g}x)")
    print(f"  CPU a call beside the bare pipe's: {dearer:.2f}x (goal: at most {DEARER:g}x)")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="What a call over stdio costs on the client's side.")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of each turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="uvloop")
    arguments = parser.parse_args()
    factory = None
    if arguments.loop == "uvloop":
        import uvloop  # noqa: PLC0415 - not there on Windows

        factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            report(runner.run(race(arguments.seconds, arguments.rounds)))
    finally:
        kill_stragglers()


if __name__ == "__main__":
    main()
