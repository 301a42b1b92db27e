"""Keyed writes through the whole gate: one after another, and a thousand at once.

Their server is in the process and takes no time, so that what is measured is the gate and the disk. Beside each figure
stands the same with the journal in memory: what is left then is the gate's own work, and no sharing of commits makes
writes faster than that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from headgate.proxy.memory import MemoryUpstream
from headgate.server.opening import gate_over
from headgate.server.settings import HeadgateSettings, Settings
from headgate.tools.rules import ToolRules, UpstreamRules

ALONE, TOGETHER, IN_A_BATCH = 300, 1_000, 250
ROUNDS = 3
CONCURRENCY = 64
"""Calls that the server takes at once."""
TOOL = {"name": "pay", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": False}}

Made = Callable[[list[str]], Awaitable[None]]


async def _pay(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"content": [], "structuredContent": {"paid": True}}


async def through_the_gate(folder: Path) -> None:
    """Measure writes to one thing, which take turns, and writes each to something else, which need not."""
    apart = ToolRules(resource="account:{account}", idempotent=True)
    one_thing = await _seconds(ToolRules(), folder / "gate-1.db")
    others = await _seconds(apart, folder / "gate-2.db")
    in_memory = await _seconds(apart, None)
    alone = others["one after another"]
    print(f"through the gate, each write a batch, median of {ROUNDS} rounds (journal in memory)")
    for what, seconds in others.items():
        print(f"  {what:32} {_told(seconds, alone)} ({in_memory[what] * 1e3:.2f} ms)")
    print(f"  {'at once, all to one thing':32} {_told(one_thing['at once'], one_thing['one after another'])}")


def _told(seconds: float, alone: float) -> str:
    return f"{seconds * 1e3:5.2f} ms each: {alone / seconds:.1f} times the rate"


async def _seconds(rules: ToolRules, journal: Path | None) -> dict[str, float]:
    """Seconds for each write, by how they were made."""
    settings = Settings(HeadgateSettings(journal=journal, serialize="resource"), {})
    upstream = MemoryUpstream([TOOL], {"pay": _pay})
    of_upstream = UpstreamRules(concurrency=CONCURRENCY, tools={"pay": rules})
    taken: dict[str, list[float]] = {}
    async with gate_over(settings, {"till": (of_upstream, upstream.open)}) as gate:
        await gate.settled(5)

        async def made(keys: list[str]) -> None:
            calls = [{"tool": "pay", "arguments": {"account": key}, "idempotency_key": key} for key in keys]
            reply = await gate.batch(calls)
            if reply["outcome"] != "ok":
                raise RuntimeError(reply["summary"])

        await made(["first"])
        for number in range(ROUNDS):
            for way, (what, (count, make)) in enumerate(_ways(made).items()):
                began = time.perf_counter()
                await make([f"{way}-{number}-{key}" for key in range(count)])
                taken.setdefault(what, []).append((time.perf_counter() - began) / count)
    return {what: median(seconds) for what, seconds in taken.items()}


def _ways(made: Made) -> dict[str, tuple[int, Made]]:
    async def one_after_another(keys: list[str]) -> None:
        for key in keys:
            await made([key])

    async def at_once(keys: list[str]) -> None:
        await asyncio.gather(*(made([key]) for key in keys))

    async def in_batches(keys: list[str]) -> None:
        parts = range(0, len(keys), IN_A_BATCH)
        await asyncio.gather(*(made(keys[first : first + IN_A_BATCH]) for first in parts))

    return {
        "one after another": (ALONE, one_after_another),
        "at once": (TOGETHER, at_once),
        f"at once, {IN_A_BATCH} in a batch": (TOGETHER, in_batches),
    }
