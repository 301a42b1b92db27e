"""What a healthy upstream's callers notice of another one's trouble: their latency with and without it, in turns.

    python bench/isolation.py [--rounds N] [--seconds S] [--rate R] [--only FAULT]... [--json FILE]

Calls to two healthy upstreams, one over stdio and one over HTTP, arrive at fixed times whatever becomes of the earlier
ones, so that a stall shows in every call that falls into it. Meanwhile one other upstream of the same gate is in
trouble, or idle. The goal: p99 at most 1.2 times that of the runs without trouble, or 5 ms above it; and the event loop
never later than 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any

import orjson
import tomlkit
from rich.console import Console
from rich.table import Table

from headgate.proxy.connection import CallFailedError
from headgate.server.gate import Gate
from headgate.server.opening import open_gate

HERE = Path(__file__).parent
HOSTILE = HERE.parent / "tests" / "upstreams" / "hostile.py"
HEALTHY = ("stdio__noop", "http__noop")
FAULT_WORKERS, FAULT_PAUSE_S = 2, 0.05
SHORT_S, LONG_S = 0.5, 5.0
"""How long calls in trouble wait: for what never comes, and for what a child would otherwise have left to do."""
SETTLE_S, SETTLE_TRIES = 0.5, 40
FAULTS: dict[str, tuple[str, float, tuple[tuple[str, dict[str, Any]], ...]]] = {
    "stdio hung": ("child", SHORT_S, (("hang", {}),)),
    "stdio deaf": ("child", SHORT_S, (("deaf", {"s": 3600, "text": "x" * 100_000}),)),
    "stdio flood": ("child", LONG_S, (("flood", {"mb": 1}),)),
    "stdio 64 MiB line": ("child", LONG_S, (("big", {"bytes": 64 * 1024 * 1024}),)),
    "stdio crash": ("child", SHORT_S, (("die", {}), ("echo", {}), ("echo", {}))),
    "HTTP hung": ("far", SHORT_S, (("hang", {}),)),
    "HTTP reset": ("far", SHORT_S, (("reset", {}), ("noop", {}), ("noop", {}))),
    "HTTP 64 MiB body": ("far", LONG_S, (("flood", {}),)),
    "HTTP news": ("far", SHORT_S, (("news", {}),)),
}
"""The upstream in trouble, and the calls that make it; others go between where failures would open its breaker."""


class MeasuredLoop(asyncio.SelectorEventLoop):
    """An event loop that notes the longest of its turns in CPU time.

    On a machine with other work to do the lag of a timer says as much of that as of the program.
    """

    longest_turn_s = 0.0

    def _run_once(self) -> None:
        began = time.thread_time()
        super()._run_once()  # type: ignore[misc]
        self.longest_turn_s = max(self.longest_turn_s, time.thread_time() - began)


@dataclass(slots=True)
class Seen:
    """What was measured in runs of one kind, in milliseconds."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in HEALTHY})
    lags: list[float] = field(default_factory=list[float])
    turns: list[float] = field(default_factory=list[float])
    """The longest turn of the event loop in each run, in CPU time."""
    failed: int = 0
    troubles: int = 0
    """Calls to the upstream in trouble."""


def quantile(values: list[float], part: float) -> float:
    """The value below which `part` of `values` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else float("nan")


async def arrive(gate: Gate, tool: str, rate: float, seconds: float, seen: Seen) -> None:
    """Make calls at fixed times. A call's latency counts from when it was due, not from when there was time for it."""
    loop = asyncio.get_running_loop()
    begin = loop.time()

    async def one(due: float, number: int) -> None:
        try:
            await gate.call(tool, {"n": number})
        except CallFailedError:
            seen.failed += 1
        seen.latencies[tool].append((loop.time() - due) * 1000)

    async with asyncio.TaskGroup() as tasks:
        for number in range(int(rate * seconds)):
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            tasks.create_task(one(due, next(NUMBERS)))


NUMBERS = count()


async def make_trouble(gate: Gate, fault: str, seen: Seen) -> None:
    """Call the upstream in trouble again and again, each call with a short timeout."""
    upstream, timeout_s, calls = FAULTS[fault]
    following = cycle(calls)

    async def work() -> None:
        while True:
            tool, arguments = next(following)
            call = {"tool": f"{upstream}__{tool}", "arguments": {**arguments, "n": next(NUMBERS)}}
            await gate.batch([{**call, "timeout_s": timeout_s}])
            seen.troubles += 1
            await asyncio.sleep(FAULT_PAUSE_S)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(FAULT_WORKERS):
            tasks.create_task(work())


async def watch_loop(seen: Seen) -> None:
    """Note how much later than it should the event loop gets to a timer."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + 0.005
        await asyncio.sleep(0.005)
        seen.lags.append((loop.time() - due) * 1000)


async def run(gate: Gate, fault: str | None, options: argparse.Namespace, seen: Seen) -> None:
    """One run, with trouble or without."""
    with suppress(asyncio.CancelledError):
        async with asyncio.TaskGroup() as tasks:
            beside = [] if fault is None else [tasks.create_task(make_trouble(gate, fault, seen))]
            await asyncio.sleep(SETTLE_S)
            beside.append(tasks.create_task(watch_loop(seen)))
            loop = asyncio.get_running_loop()
            loop.longest_turn_s = 0.0  # pyright: ignore[reportAttributeAccessIssue]
            async with asyncio.TaskGroup() as arrivals:
                for tool in HEALTHY:
                    arrivals.create_task(arrive(gate, tool, options.rate, options.seconds, seen))
            seen.turns.append(loop.longest_turn_s * 1000)  # pyright: ignore[reportAttributeAccessIssue]
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


@asynccontextmanager
async def gate_under_test() -> AsyncGenerator[Gate]:
    """A gate with two healthy upstreams and two that get into trouble when told to."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hosts = {name: {"url": stack.enter_context(served()), "trust_annotations": True} for name in ("http", "far")}
        trouble = {
            "retries": 0,
            "tools": {name: {"class": "read"} for name in ("echo", "hang", "deaf", "flood", "big", "die")},
        }
        upstreams = {
            "stdio": {"command": sys.executable, "args": [str(HERE / "fixture_server.py")]},
            "http": hosts["http"],
            "child": {"command": sys.executable, "args": ["-S", str(HOSTILE)], **trouble},
            "far": {**hosts["far"], "retries": 0},
        }
        config = folder / "headgate.toml"
        config.write_text(tomlkit.dumps({"headgate": {"journal": str(folder / "j.db")}, "upstreams": upstreams}))
        async with open_gate(config) as gate:
            async with asyncio.timeout(30):
                while any(one.state != "ready" for one in gate.upstreams()):  # noqa: ASYNC110 - one may start twice
                    await asyncio.sleep(0.05)
            yield gate


def rows(fault: str, calm: Seen, troubled: Seen) -> Iterable[dict[str, Any]]:
    """What came out, for each healthy upstream."""
    for tool in HEALTHY:
        before, after = calm.latencies[tool], troubled.latencies[tool]
        goal = max(1.2 * quantile(before, 0.99), quantile(before, 0.99) + 5)
        yield {
            "fault": fault,
            "healthy": tool.partition("__")[0],
            **{f"calm_p{part}": quantile(before, part / 100) for part in (50, 99)},
            **{f"p{part}": quantile(after, part / 100) for part in (50, 99)},
            "calm_max": max(before),
            "max": max(after),
            "goal_p99": goal,
            "calm_turn": max(calm.turns),
            "turn": max(troubled.turns),
            "calm_lag": max(calm.lags),
            "lag": max(troubled.lags),
            "failed": troubled.failed,
            "troubles": troubled.troubles,
            "met": quantile(after, 0.99) <= goal and max(troubled.lags) <= 50,
        }


async def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every fault in turns with runs without it."""
    found: list[dict[str, Any]] = []
    async with gate_under_test() as gate:
        await run(gate, None, options, Seen())
        gc.collect()
        gc.freeze()  # as `headgate serve` does
        for fault in options.only or FAULTS:
            calm, troubled = Seen(), Seen()
            for _ in range(options.rounds):
                await run(gate, None, options, calm)
                await run(gate, fault, options, troubled)
                await settled()
            found += rows(fault, calm, troubled)
            show(found[-2:], title=fault)
    return found


def show(found: list[dict[str, Any]], title: str) -> None:
    """A table of figures in milliseconds."""
    table = Table(title=title)
    names = [name for name in found[0] if name != "fault"]
    for name in names:
        table.add_column(name, justify="left" if name == "healthy" else "right")
    for row in found:
        table.add_row(*(f"{row[name]:.1f}" if isinstance(row[name], float) else str(row[name]) for name in names))
    Console(width=170).print(table)


def main() -> None:
    """Measure, and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one run")
    parser.add_argument("--rate", type=float, default=50.0, help="calls a second to each healthy upstream")
    parser.add_argument("--only", action="append", choices=list(FAULTS), metavar="FAULT")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=MeasuredLoop) as runner:
        found = runner.run(measure(options))
    if options.json is not None:
        options.json.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
