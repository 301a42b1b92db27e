"""Upstreams in memory whose tools take as long as they are told, and batches over them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.proxy.parts import answer, definition

from headgate.proxy.driver import Driver
from headgate.proxy.memory import MemoryUpstream
from headgate.proxy.upstreams import Upstreams
from headgate.tools.batch import Batch, parse_batch
from headgate.tools.plan import Plan, make_plan
from headgate.tools.rules import UpstreamRules


class Shop:
    """An upstream whose reads and writes take as long as they are told, and leave a log."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.upstream = MemoryUpstream(
            [definition("look"), definition("change", "write"), definition("hurt")],
            {"look": self.work, "change": self.work, "hurt": self.hurt},
        )

    async def work(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        tag = arguments.get("tag", "")
        self.log.append(f"start {tag}")
        try:
            await asyncio.sleep(arguments.get("s", 1))
        except asyncio.CancelledError:
            self.log.append(f"cancelled {tag}")
            raise
        self.log.append(f"end {tag}")
        return answer({"tag": tag})

    async def hurt(self, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"content": [{"type": "text", "text": "no such order"}], "isError": True}


@asynccontextmanager
async def shops(rules: UpstreamRules | None = None, *names: str) -> AsyncGenerator[tuple[Upstreams, dict[str, Shop]]]:
    made = {name: Shop() for name in names or ("shop",)}
    rules = rules or UpstreamRules()
    upstreams = Upstreams({name: (rules, shop.upstream.open) for name, shop in made.items()})
    async with upstreams.running():
        await upstreams.settled(5)
        yield upstreams, made


def call(tool: str, tag: str, s: float = 1, **more: Any) -> dict[str, Any]:
    return {"id": tag, "tool": tool, "arguments": {"tag": tag, "s": s}, **more}


def driver_of(upstreams: Upstreams, calls: list[dict[str, Any]], reads: int = 100, **request: Any) -> Driver:
    batch = parse_batch({"calls": calls, **request}, max_calls=10_000)
    assert isinstance(batch, Batch), batch
    plan = make_plan(batch, upstreams.catalogue, upstreams.check_arguments)
    assert isinstance(plan, Plan), plan
    driver = Driver(plan, upstreams.check_arguments, upstreams.call, reads)
    driver.begin = upstreams.begin
    return driver


def statuses(driver: Driver) -> dict[str, str]:
    ended: dict[str, str] = {}
    for step, outcome in zip(driver.plan.steps, driver.outcomes, strict=True):
        assert outcome is not None
        code = "" if outcome.ok else f" {getattr(outcome.result, 'code', '')}"
        ended[step.call.id] = f"{outcome.status}{code}"
    return ended


async def run(driver: Driver) -> float:
    """Walk it to its end; the seconds that it took."""
    async with asyncio.TaskGroup() as tasks:
        driver.start(tasks)
        assert await driver.wait()
    assert driver.ended_at is not None
    return driver.ended_at - driver.started_at
