"""Everything at once, in virtual time: batches and single calls, failures, lost sessions, reloads, callers that leave.

Each seed is one episode. Whatever happens in it, every call ends and gives back what it held, and nobody is told what
is not so: what is said not to have run has not, a read sees every write that was made before it, and whatever else
changes, a pace that stays as it is is kept to.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from tests.conftest import DEEP
from tests.proxy.parts import answer, definition
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Attempt
from headgate.proxy.connection import CallFailedError, Connection, Open, Opening, SessionGoneError, UnavailableError
from headgate.proxy.driver import Driver
from headgate.proxy.journal.journaled import Writes
from headgate.proxy.journal.memory import MemoryJournal
from headgate.proxy.memory import MemoryUpstream
from headgate.proxy.outlasting import Outlasting
from headgate.proxy.upstreams import Upstreams
from headgate.tools.batch import Batch, parse_batch
from headgate.tools.catalogue import Tool
from headgate.tools.outcome import Answer
from headgate.tools.plan import Plan, Serialize, make_plan
from headgate.tools.rules import Rate, ToolRules, UpstreamRules

EPISODES = 5_000 if DEEP else 150
NAMES: tuple[str, ...] = ("a", "b")
TOOLS = ("look", "look", "list", "paced", "change", "set")
PACE = Rate(2, 1.0, 1)
SERIALIZE: tuple[Serialize, ...] = ("batch", "upstream", "resource")
UNSENT = ("error", "skipped")


class Server:
    """An upstream with a number that each write raises. How it takes a call is left to chance."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.trouble = chance.choice((0.05, 0.05, 0.3, 0.9))
        self.number = 0
        self.applied: list[str] = []
        self.paced: list[float] = []
        read, write = self.read, self.write
        self.memory = MemoryUpstream(
            [*map(definition, ("look", "list", "paced")), definition("change", "write"), definition("set", "write")],
            {"look": read, "list": read, "paced": self.read_at_its_pace, "change": write, "set": write},
        )

    def opener(self) -> Open:
        @asynccontextmanager
        async def open_session(opening: Opening) -> AsyncGenerator[Connection]:
            await asyncio.sleep(self.chance.choice((0, 0.2, 1)))
            if self.chance.random() < self.trouble / 3:
                raise UnavailableError("not now")
            async with self.memory.open(opening) as connection:
                yield connection

        return open_session

    async def read(self, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        await self.work()
        number = self.number
        await self.work()
        self.fail(*_REFUSALS, *_BREAKS)
        return answer({"number": number}) if self.chance.random() > self.trouble / 5 else {"isError": True}

    async def read_at_its_pace(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.paced.append(asyncio.get_running_loop().time())
        return await self.read(arguments)

    async def write(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        await self.work()
        self.fail(*_REFUSALS)
        self.number += 1
        self.applied.append(arguments["mark"])
        number = self.number
        await self.work()
        self.fail(*_BREAKS)
        return answer({"number": number})

    async def work(self) -> None:
        hangs = self.chance.random() < self.trouble / 10
        await asyncio.sleep(100 if hangs else self.chance.choice((0, 0, 0.01, 0.1, 0.4)))

    def fail(self, *failures: Exception) -> None:
        if self.chance.random() < self.trouble / 2:
            failure = self.chance.choice(failures)
            raise failure.copy() if isinstance(failure, CallFailedError) else failure


_REFUSALS = (CallFailedError("RATE_LIMITED", "429", sent=False, transient=True, retry_after_s=0.3), SessionGoneError())
_BREAKS = (CallFailedError("UPSTREAM_ERROR", "broken", sent=True, transient=True), ValueError("the session ends"))


class Episode:
    """One gate's worth of upstreams, and whoever calls them."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)  # noqa: S311 - not about security
        random.seed(seed)  # by which upstreams and retries spread their waits
        self.servers = {name: Server(self.chance) for name in NAMES}
        self.writes = Writes(MemoryJournal(asyncio.get_running_loop().time))
        self.concurrency = {name: self.chance.choice((1, 2, 4, 16)) for name in NAMES}
        openers = {name: (self.rules(name), self.servers[name].opener()) for name in NAMES}
        self.upstreams = Upstreams(openers, self.writes)
        self.drivers: list[Driver] = []

    def rules(self, name: str) -> UpstreamRules:
        chance = self.chance
        tools = {
            tool: ToolRules(
                timeout_s=chance.choice((0.5, 2, 5)),
                retries=chance.choice((0, 2, 5)),
                concurrency=chance.choice((None, None, 1)),
                rate=PACE if tool == "paced" else chance.choice((None, None, Rate(5, 1.0, 5))),
            )
            for tool in dict.fromkeys(TOOLS)
        }
        rate = chance.choice((None, None, Rate(20, 1.0, 20)))
        queue = chance.choice((1_000, 1_000, 3))
        return UpstreamRules(
            concurrency=self.concurrency[name], rate=rate, queue=queue, replicas=chance.choice((1, 1, 2)), tools=tools
        )

    async def run(self) -> None:
        chance = self.chance
        async with asyncio.TaskGroup() as tasks:
            outlasting = Outlasting(tasks)
            tasks.create_task(self.disturb())
            for number in range(chance.randint(1, 20)):
                tasks.create_task(self.batch(tasks, number))
            for number in range(chance.randint(0, 15)):
                calling = tasks.create_task(self.call(outlasting, f"single {number}"))
                if chance.random() < 0.3:
                    asyncio.get_running_loop().call_later(chance.random() * 2, calling.cancel)

    async def disturb(self) -> None:
        for _ in range(self.chance.randint(0, 12)):
            await asyncio.sleep(self.chance.random())
            if self.chance.random() < 0.6:
                self.servers[self.chance.choice(NAMES)].memory.drop("it crashed")
            else:
                reopen = self.chance.random() < 0.4
                self.upstreams.become(
                    {name: (self.rules(name), self.servers[name].opener() if reopen else None) for name in NAMES}
                )

    async def call(self, outlasting: Outlasting, mark: str) -> None:
        await asyncio.sleep(self.chance.random() * 2)
        tool = self.upstreams.catalogue.find(f"{self.chance.choice(NAMES)}__{self.chance.choice(TOOLS)}")
        if isinstance(tool, Tool):
            now, timeout_s = asyncio.get_running_loop().time(), tool.rules.timeout_s
            arguments = {"k": "x"} if tool.kind == "read" else {"mark": mark}
            made = Attempt(tool, arguments, timeout_s, (), now)
            path = self.upstreams.call
            with suppress(CallFailedError):
                await (path(made) if tool.kind == "read" else outlasting.call(path, made))

    async def batch(self, tasks: asyncio.TaskGroup, number: int) -> None:
        chance = self.chance
        await asyncio.sleep(chance.choice((0, 0.5, 2)) * chance.random())
        calls = [self.asked(position, f"{number}.{position}") for position in range(chance.randint(1, 12))]
        request: dict[str, Any] = {"calls": calls, "on_error": chance.choice(("continue", "continue", "stop"))}
        if chance.random() < 0.3:
            request["timeout_s"] = chance.choice((0.2, 1, 3))
        driver = self.started(tasks, request, chance.choice((1, 2, 8)))
        if chance.random() < 0.2:
            await asyncio.sleep(chance.choice((0, 0.05, 0.3, 1)))
            driver.cancel()
        assert await driver.wait(600)

    def asked(self, position: int, mark: str) -> dict[str, Any]:
        chance = self.chance
        tool = chance.choice(TOOLS)
        call: dict[str, Any] = {"id": f"c{position}", "tool": f"{chance.choice(NAMES)}__{tool}"}
        earlier = f"c{chance.randrange(position)}" if position else None
        if tool in ("change", "set"):
            call["arguments"] = {"mark": mark}
        else:
            call["arguments"] = {"k": chance.choice(("x", "y"))}
            if earlier is not None and chance.random() < 0.2:
                speculate = chance.random() < 0.6
                guess = {"$from": earlier, "path": "$.number", "default": 0, "speculate": speculate}
                call["arguments"] = {**call["arguments"], "z": guess}
            elif chance.random() < 0.1:
                call["for_each"] = list(range(chance.randint(0, 5)))
        if earlier is not None and chance.random() < 0.15:
            call["depends_on"] = [earlier]
        if chance.random() < 0.2:
            call["timeout_s"] = chance.choice((0.05, 0.3, 1))
        return call

    def started(self, tasks: asyncio.TaskGroup, request: dict[str, Any], reads: int) -> Driver:
        batch = parse_batch(request, max_calls=1_000)
        assert isinstance(batch, Batch), batch
        check, serialize = self.upstreams.check_arguments, self.chance.choice(SERIALIZE)
        plan = make_plan(batch, self.upstreams.catalogue, check, serialize=serialize)
        assert isinstance(plan, Plan), plan
        driver = Driver(plan, check, self.upstreams.call, reads)
        driver.begin = self.upstreams.begin
        self.drivers.append(driver)
        driver.start(tasks)
        return driver

    def calm(self) -> None:
        for server in self.servers.values():
            server.trouble = 0.0
        self.upstreams.become(
            {name: (UpstreamRules(concurrency=self.concurrency[name]), self.servers[name].opener()) for name in NAMES}
        )

    async def seconds_for(self, name: str, tool: str, count: int) -> float:
        """How long so many calls take now, each of which takes at most 0.8 s."""
        arguments = [{"k": "x", "mark": "last"}, *({"n": number, "mark": "last"} for number in range(count - 1))]
        calls = [{"tool": f"{name}__{tool}", "arguments": each, "timeout_s": 5} for each in arguments]
        async with asyncio.TaskGroup() as tasks:
            driver = self.started(tasks, {"calls": calls}, count)
            assert await driver.wait(60)
        assert {getattr(outcome and outcome.result, "message", "") for outcome in driver.outcomes} == {""}
        assert driver.ended_at is not None
        return driver.ended_at - driver.started_at


@in_virtual_time
@pytest.mark.parametrize("seed", range(EPISODES))
async def test_whatever_happens_every_call_ends_and_holds_nothing_and_is_told_as_it_was(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    episode = Episode(seed)
    async with episode.writes.running(), episode.upstreams.running():
        await episode.upstreams.settled(5)
        await episode.run()
        await asyncio.sleep(700)  # writes that were given up may go on for ten minutes
        for driver in episode.drivers:
            assert_told_as_it_was(driver, episode.servers)
        for server in episode.servers.values():
            assert all(later - earlier > 0.499 for earlier, later in pairwise(server.paced))

        episode.calm()
        await asyncio.sleep(60)
        for name in NAMES:
            assert await episode.seconds_for(name, "look", 1) < 0.9  # which closes the circuit
            assert await episode.seconds_for(name, "look", episode.concurrency[name]) < 0.9
            assert await episode.seconds_for(name, "change", 1) < 0.9


def assert_told_as_it_was(driver: Driver, servers: Mapping[str, Server]) -> None:
    numbers = dict.fromkeys(NAMES, 0)
    for index in driver.plan.order:
        step, outcome = driver.plan.steps[index], driver.outcomes[index]
        assert outcome is not None
        if step.tool is None or outcome.items is not None:
            continue
        number = outcome.result.data["number"] if isinstance(outcome.result, Answer) else None
        if step.kind == "write":
            times = servers[step.upstream].applied.count(step.call.arguments["mark"])
            assert times == 0 if outcome.status in UNSENT else times == 1 if outcome.ok else times < 2
            numbers[step.upstream] = max(numbers[step.upstream], number or 0)
        elif number is not None:
            assert number >= numbers[step.upstream], "a read has not seen a write before it"
