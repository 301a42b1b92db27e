"""Writes under few keys through a network that loses, delays and resets, with callers that go, on a virtual clock.

`python tests/crashes/storm.py [SEEDS]` runs as many storms as it is told, 2,000 by default; `--seed N` one again.
"""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.virtual_time import VirtualLoop  # noqa: E402 - the path comes first

from headgate.proxy.attempt import Attempt  # noqa: E402
from headgate.proxy.connection import AnsweredWithErrorError, CallFailedError  # noqa: E402
from headgate.proxy.journal.journaled import Writes  # noqa: E402
from headgate.proxy.journal.memory import MemoryJournal  # noqa: E402
from headgate.proxy.limits import Limits  # noqa: E402
from headgate.proxy.path import call_path  # noqa: E402
from headgate.tools.catalogue import Tool  # noqa: E402
from headgate.tools.rules import Rate, ToolRules, UpstreamRules  # noqa: E402

KEYS, CALLS, TIMEOUT_S = 4, 24, 5.0
PAY = Tool("till", "pay", "till__pay", "write", "", ToolRules(timeout_s=TIMEOUT_S), {"name": "pay"})
AFTERWARDS_S = 100.0


@dataclass(slots=True)
class Storm:
    """One of them, wholly made of its seed."""

    seed: int
    chance: random.Random = field(init=False)
    effects: Counter[str] = field(default_factory=Counter[str])
    """What the till has done, by key: its own account."""
    injected: Counter[str] = field(default_factory=Counter[str])
    told: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - a storm, not a secret

    async def send(self, attempt: Attempt) -> Mapping[str, Any]:
        """The till, and the network before and behind it."""
        await asyncio.sleep(self.chance.choice((0, 0, 0.5)))
        fault = self.chance.choice(("none", "none", "refused", "reset", "reset after", "slow", "never", "error"))
        if fault == "refused":
            self.injected[fault] += 1
            raise CallFailedError("UPSTREAM_UNAVAILABLE", "not there", sent=False, transient=True)
        attempt.sent = True
        await asyncio.sleep(self.chance.uniform(0, 1))
        if fault == "reset":
            self.injected[fault] += 1
            raise CallFailedError("UPSTREAM_ERROR", "reset", sent=True, transient=True)
        if fault == "error":
            raise AnsweredWithErrorError("no such account")
        self.effects[str(attempt.key)] += 1
        if fault == "reset after":
            self.injected[fault] += 1
            raise CallFailedError("UPSTREAM_ERROR", "reset", sent=True, transient=True)
        if fault in ("slow", "never"):
            self.injected[fault] += 1
            await asyncio.sleep(TIMEOUT_S * 2 if fault == "slow" else 1e6)
        return {"content": [], "structuredContent": {"receipt": f"{attempt.key} {self.effects[str(attempt.key)]}"}}

    async def run(self) -> list[str]:
        """Let it rage; everything that is wrong afterwards."""
        writes = Writes(MemoryJournal(asyncio.get_running_loop().time))
        rules = UpstreamRules(concurrency=2, rate=self.chance.choice((None, Rate(2, 1.0, 2))))
        call = call_path(Limits(rules, "till", self.chance.random), self.send, writes=writes)
        async with writes.running(), asyncio.TaskGroup() as tasks:
            for _ in range(CALLS):
                caller = tasks.create_task(self._one(call, f"k{self.chance.randrange(KEYS)}"))
                if self.chance.random() < 0.3:
                    self.injected["cancel"] += 1
                    asyncio.get_running_loop().call_later(self.chance.uniform(0, 8), caller.cancel)
                await asyncio.sleep(self.chance.choice((0, 0, 0, 0.3, 6)))
            await asyncio.sleep(AFTERWARDS_S)
            # What is still in doubt is asked for once more, when nothing is under way any more.
            last = {key: await self._one(call, key) for key in sorted(self.told) if self.effects[key]}
        return [
            *self._faults(),
            *(f"{key} was done and is told as {how}" for key, how in last.items() if how == "CONFLICT"),
        ]

    async def _one(self, call: Any, key: str) -> str:
        attempt = Attempt(PAY, {"account": key}, TIMEOUT_S, (), asyncio.get_running_loop().time(), key=key)
        try:
            answer = await call(attempt)
            told = str(answer["structuredContent"]["receipt"])
        except CallFailedError as failed:
            told = failed.failure("write").code
        self.told.setdefault(key, []).append(told)
        return told

    def _faults(self) -> list[str]:
        faults = [f"{key} was made {times} times" for key, times in self.effects.items() if times > 1]
        for key, told in self.told.items():
            receipts = {one for one in told if one.startswith("k")}
            if len(receipts) > 1 or (receipts and not self.effects[key]):
                faults.append(f"{key} was told as {sorted(receipts)}")
        return faults


def rage(seed: int) -> tuple[Storm, list[str]]:
    """One storm, and what is wrong after it."""
    storm = Storm(seed)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return storm, runner.run(storm.run())


def main() -> int:
    seeds = [int(sys.argv[2])] if "--seed" in sys.argv else range(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
    injected: Counter[str] = Counter()
    calls = effects = wrong = 0
    began = time.monotonic()
    for seed in seeds:
        storm, faults = rage(seed)
        injected.update(storm.injected)
        calls += sum(map(len, storm.told.values()))
        effects += sum(storm.effects.values())
        for fault in faults:
            wrong += 1
            print(f"seed {seed}: {fault}")  # noqa: T201
    print(f"{len(seeds)} storms, {calls} calls, {effects} effects, {sum(injected.values())} faults {dict(injected)}")  # noqa: T201
    print(f"{wrong} wrong, {time.monotonic() - began:.0f} s")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
