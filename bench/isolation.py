"""What a healthy upstream's callers notice of another one's trouble: their latency with and without it, in turns.

    python bench/isolation.py [--rounds N] [--seconds S] [--rate R] [--loop LOOP] [--only FAULT]... [--json FILE]

Calls to two healthy upstreams, one over stdio and one over HTTP, arrive at fixed times whatever becomes of the earlier
ones, so that a stall shows in every call that falls into it. There are three kinds of runs, in turns: `calm` without
trouble; `beside` with the same trouble in a gate of its own, another process, that costs the machine as much but shares
nothing with the gate that is measured; and with another upstream of that gate in trouble. Figures are medians over the
runs of one kind, but for the event loop the worst of all.

The goal: p99 at most 1.2 times that of calm runs, or 5 ms above it; and the event loop never later than 50 ms, less
what its thread had to wait for a core.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import uvloop
from rich.console import Console
from rich.table import Table
from troubles import FAULTS, NUMBERS, Made, gate_over, make_trouble, served, troubled

from headgate.proxy.connection import CallFailedError
from headgate.server.gate import Gate

HERE = Path(__file__).parent
HEALTHY = ("stdio__noop", "http__noop")
GOAL_RATIO, GOAL_MS, GOAL_LAG_MS = 1.2, 5.0, 50.0
LOOK_S = 0.002
SETTLE_S, SETTLE_TRIES = 0.25, 80
LOOPS = {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@dataclass(slots=True)
class Seen:
    """What was measured in runs of one kind, in milliseconds, a list for each run."""

    latencies: dict[str, list[list[float]]] = field(default_factory=lambda: {name: [] for name in HEALTHY})
    lag: float = 0.0
    """The latest that the event loop got to a timer."""
    own_lag: float = 0.0
    """The same, less the time in which its thread was ready to run and the machine had no core for it."""
    busy: float = 0.0
    """The most CPU time that its thread took from when a timer was set until it got to it."""
    cpu: list[float] = field(default_factory=list[float])
    """The share of one core that this process took, in each run."""
    failed: int = 0
    made: Made = field(default_factory=Made)

    def quantile(self, tool: str, part: float) -> float:
        """The median over the runs of the value below which `part` of the latencies lie."""
        return median(_quantile(run, part) for run in self.latencies[tool])


def _quantile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


async def arrive(gate: Gate, tool: str, options: argparse.Namespace, seen: Seen) -> None:
    """Make calls at fixed times. A call's latency counts from when it was due, not from when there was time for it."""
    begin = time.perf_counter()
    latencies: list[float] = []

    async def one(due: float, number: int) -> None:
        try:
            await gate.call(tool, {"n": number})
        except CallFailedError:
            seen.failed += 1
        latencies.append((time.perf_counter() - due) * 1000)

    async with asyncio.TaskGroup() as tasks:
        for number in range(int(options.rate * options.seconds)):
            due = begin + number / options.rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(due, next(NUMBERS)))
    seen.latencies[tool].append(latencies)


async def watch_loop(seen: Seen) -> None:
    """Note how much later than it should the event loop gets to a timer, and what it was doing until then."""
    with scheduling() as waited:
        while True:
            due, worked, stood = time.perf_counter() + LOOK_S, time.thread_time(), waited()
            await asyncio.sleep(LOOK_S)
            lag = (time.perf_counter() - due) * 1000
            seen.lag = max(seen.lag, lag)
            seen.own_lag = max(seen.own_lag, lag - (waited() - stood))
            seen.busy = max(seen.busy, (time.thread_time() - worked) * 1000)


@contextmanager
def scheduling() -> Generator[Callable[[], float]]:
    """Gives for how many milliseconds this thread has waited for a core so far; 0 where the system does not tell."""
    try:
        fd = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except OSError:
        yield lambda: 0.0
        return
    try:
        yield lambda: int(os.pread(fd, 100, 0).split()[1]) / 1e6
    finally:
        os.close(fd)


async def run(gate: Gate, fault: str | None, options: argparse.Namespace, seen: Seen) -> None:
    """One run, with trouble in the same gate or without."""
    with suppress(asyncio.CancelledError):
        async with asyncio.TaskGroup() as tasks:
            beside = [] if fault is None else [tasks.create_task(make_trouble(gate, FAULTS[fault], seen.made))]
            await asyncio.sleep(SETTLE_S)
            beside.append(tasks.create_task(watch_loop(seen)))
            began, worked = time.monotonic(), time.process_time()
            async with asyncio.TaskGroup() as arrivals:
                for tool in HEALTHY:
                    arrivals.create_task(arrive(gate, tool, options, seen))
            seen.cpu.append((time.process_time() - worked) / (time.monotonic() - began))
            for one in beside:
                one.cancel()


async def settled() -> None:
    """Wait until what a run has brought about is over: a child may have a flood left to write."""
    for _ in range(SETTLE_TRIES):
        began = time.process_time()
        await asyncio.sleep(SETTLE_S)
        if time.process_time() - began < SETTLE_S / 10:
            return


@contextmanager
def trouble_beside(fault: str) -> Generator[None]:
    """The same trouble in a gate of its own, another process."""
    command = [sys.executable, str(HERE / "troubles.py"), fault]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        if process.stdin is None or process.stdout is None:
            sys.exit("the other gate has no pipes")
        process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()


@asynccontextmanager
async def gate_under_test() -> AsyncGenerator[Gate]:
    """A gate with two healthy upstreams and two that get into trouble when told to."""
    with ExitStack() as stack:
        upstreams = {
            "stdio": {"command": sys.executable, "args": [str(HERE / "fixture_server.py")]},
            "http": {"url": stack.enter_context(served()), "trust_annotations": True},
            **stack.enter_context(troubled()),
        }
        async with gate_over(upstreams) as gate:
            yield gate


def rows(fault: str, calm: Seen, beside: Seen, seen: Seen) -> Iterable[dict[str, Any]]:
    """What came out, for each healthy upstream."""
    for tool in HEALTHY:
        before, after = calm.quantile(tool, 0.99), seen.quantile(tool, 0.99)
        goal = max(GOAL_RATIO * before, before + GOAL_MS)
        yield {
            "fault": fault,
            "healthy": tool.partition("__")[0],
            "calm_p50": calm.quantile(tool, 0.5),
            "calm_p99": before,
            **({"beside_p99": beside.quantile(tool, 0.99)} if beside.latencies[tool] else {}),
            "p50": seen.quantile(tool, 0.5),
            "p99": after,
            "ratio": after / before,
            "goal_p99": goal,
            "calm_lag": calm.lag,
            **({"beside_lag": beside.lag} if beside.latencies[tool] else {}),
            "lag": seen.lag,
            "own_lag": seen.own_lag,
            "calm_busy": calm.busy,
            "busy": seen.busy,
            "calm_cpu": median(calm.cpu),
            "cpu": median(seen.cpu),
            "failed": seen.failed,
            "troubles": seen.made.calls,
            "answered": seen.made.answered,
            "met": after <= goal and seen.own_lag <= GOAL_LAG_MS,
        }


async def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every fault in turns with runs without it."""
    found: list[dict[str, Any]] = []
    async with gate_under_test() as gate:
        await run(gate, None, options, Seen())
        gc.collect()
        gc.freeze()  # as `headgate serve` does
        gc.set_threshold(20_000, 20, 20)
        for fault in options.only or FAULTS:
            calm, beside, seen = Seen(), Seen(), Seen()
            for _ in range(options.rounds):
                await run(gate, None, options, calm)
                await run(gate, fault, options, seen)
                await settled()
                if options.beside:
                    with trouble_beside(fault):
                        await run(gate, None, options, beside)
            found += rows(fault, calm, beside, seen)
            show(found[-2:], title=fault)
    return found


def show(found: list[dict[str, Any]], title: str) -> None:
    """A table of figures in milliseconds."""
    table = Table(title=title, title_justify="left")
    names = [name for name in found[0] if name != "fault"]
    for name in names:
        table.add_column(name.replace("_", "\n"), justify="left" if name == "healthy" else "right")
    for row in found:
        table.add_row(*(f"{row[name]:.2f}" if isinstance(row[name], float) else str(row[name]) for name in names))
    Console(width=170).print(table)


def main() -> None:
    """Measure, and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one run")
    parser.add_argument("--rate", type=float, default=100.0, help="calls a second to each healthy upstream")
    parser.add_argument(
        "--loop", choices=tuple(LOOPS), default="uvloop", help="uvloop is what `headgate serve` runs on"
    )
    parser.add_argument("--no-beside", dest="beside", action="store_false", help="without the same trouble elsewhere")
    parser.add_argument("--only", action="append", choices=list(FAULTS), metavar="FAULT")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with asyncio.Runner(loop_factory=LOOPS[options.loop]) as runner:
        found = runner.run(measure(options))
    if options.json is not None:
        options.json.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
