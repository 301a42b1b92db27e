"""An upstream that counts: what a read of it gives says which writes it has seen."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.proxy.parts import answer, definition

from headgate.proxy.driver import Driver
from headgate.proxy.memory import MemoryUpstream
from headgate.proxy.upstreams import Upstreams
from headgate.tools.batch import Batch, parse_batch
from headgate.tools.outcome import Answer, Outcome
from headgate.tools.plan import Plan, make_plan
from headgate.tools.rules import UpstreamRules


@dataclass(slots=True)
class Tally:
    """Its read `get` gives the count of `k`, its write `add` adds one; both happen at some moment of the call."""

    waits_s: Sequence[float] = (0.5,)
    """How long a call may take before that moment, and how long after it."""
    seed: int = 0
    made: Counter[str] = field(default_factory=Counter[str])
    """How often each tool was really called."""
    counts: Counter[str] = field(default_factory=Counter[str])
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - a course of events, not a secret

    async def _get(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.made["get"] += 1
        await self._wait()
        found = self.counts[str(arguments.get("k"))]
        await self._wait()
        return answer({"count": found})

    async def _add(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.made["add"] += 1
        await self._wait()
        self.counts[str(arguments.get("k"))] += 1
        await self._wait()
        return answer()

    async def _refuse(self, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.made["refuse"] += 1
        await self._wait()
        return {"content": [{"type": "text", "text": "no such order"}], "isError": True}

    async def _wait(self) -> None:
        await asyncio.sleep(self._random.choice(self.waits_s))

    @asynccontextmanager
    async def up(self, rules: UpstreamRules | None = None) -> AsyncGenerator[Upstreams]:
        """Itself as the only upstream, `t`."""
        memory = MemoryUpstream(
            [definition("get"), definition("add", "write"), definition("refuse")],
            {"get": self._get, "add": self._add, "refuse": self._refuse},
        )
        upstreams = Upstreams({"t": (rules or UpstreamRules(), memory.open)})
        async with upstreams.running():
            await upstreams.settled(5)
            yield upstreams


def batch(upstreams: Upstreams, *calls: dict[str, Any], reads: int = 100, **request: Any) -> Driver:
    """A batch of `calls` that has not started."""
    parsed = parse_batch({"calls": [*calls], **request}, max_calls=1000)
    assert isinstance(parsed, Batch), parsed
    plan = make_plan(parsed, upstreams.catalogue, upstreams.check_arguments)
    assert isinstance(plan, Plan), plan
    driver = Driver(plan, upstreams.check_arguments, upstreams.call, reads)
    driver.begin = upstreams.begin
    return driver


def get(k: str = "a", **more: Any) -> dict[str, Any]:
    """A read; further arguments make it another one, of the same count."""
    own = {key: more.pop(key) for key in ("timeout_s", "depends_on", "id") if key in more}
    return {"tool": "t__get", "arguments": {"k": k, **more}, **own}


def refuse() -> dict[str, Any]:
    """A read that the upstream answers with an error of its own."""
    return {"tool": "t__refuse", "arguments": {}}


def add(k: str = "a", **more: Any) -> dict[str, Any]:
    """A write."""
    return {"tool": "t__add", "arguments": {"k": k}, **more}


async def run(*drivers: Driver) -> None:
    """Start the batches at once and wait for their ends."""
    async with asyncio.TaskGroup() as tasks:
        for driver in drivers:
            driver.start(tasks)
        for driver in drivers:
            assert await driver.wait(1000)


def outcomes(driver: Driver) -> list[Outcome]:
    """How the calls of a batch that has ended did end."""
    return [outcome for outcome in driver.outcomes if outcome is not None]


def count_in(outcome: Outcome) -> int:
    """What a read gave."""
    assert isinstance(outcome.result, Answer), outcome
    return int(outcome.result.data["count"])


def merged(driver: Driver) -> int:
    """How many calls were answered by an identical one."""
    return sum(outcome.coalesced for outcome in outcomes(driver))
