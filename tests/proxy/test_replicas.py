"""Several processes of one upstream: each call goes to the least busy, and each is opened again by itself."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.proxy.far import looking, now
from tests.proxy.parts import all_at_once, answer, definition, turns
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import CallFailedError, Connection, Opening, UnavailableError
from headgate.proxy.memory import MemoryUpstream
from headgate.proxy.upstream import Upstream
from headgate.tools.rules import UpstreamRules


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("headgate.proxy.replica").setLevel(logging.ERROR)


class Fleet:
    """An upstream of which each session is another process: each does one call at a time."""

    def __init__(self) -> None:
        self.processes: list[MemoryUpstream] = []
        self.calls: list[list[float]] = []
        self.broken: set[int] = set()

    @asynccontextmanager
    async def open(self, opening: Opening) -> AsyncGenerator[Connection]:
        number = len(self.processes)
        lock = asyncio.Lock()
        calls: list[float] = []

        async def one_at_a_time(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
            async with lock:
                await asyncio.sleep(arguments["s"])
                calls.append(now())
            return answer({"process": number})

        memory = MemoryUpstream([definition("look")], {"look": one_at_a_time})
        self.processes.append(memory)
        self.calls.append(calls)
        if number in self.broken:
            raise UnavailableError("cannot start it")
        async with memory.open(opening) as connection:
            yield connection


@asynccontextmanager
async def fleet(of: Fleet, replicas: int) -> AsyncGenerator[Upstream]:
    upstream = Upstream("far", UpstreamRules(replicas=replicas, concurrency=100), of.open, lambda: None)
    async with asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(upstream.run())
        await upstream.settled()
        await turns()
        try:
            yield upstream
        finally:
            upstream.close()
            owner.cancel()


@in_virtual_time
async def test_of_an_upstream_that_does_one_call_at_a_time_replicas_do_several() -> None:
    for replicas, expected_s in ((1, 12), (4, 3)):
        ships = Fleet()
        async with fleet(ships, replicas) as upstream:
            started = now()
            await all_at_once(*(upstream.call(looking(1)) for _ in range(12)))
            assert now() - started == pytest.approx(expected_s, abs=0.01)
        assert [len(calls) for calls in ships.calls] == [12 // replicas] * replicas


@in_virtual_time
async def test_a_call_goes_to_the_replica_that_has_the_fewest() -> None:
    ships = Fleet()
    async with fleet(ships, 2) as upstream:
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(all_at_once(upstream.call(looking(10))))
            await turns()
            quick = [await upstream.call(looking(0.1)) for _ in range(5)]
            assert not slow.done()
        assert [one["structuredContent"]["process"] for one in quick] == [1] * 5


@in_virtual_time
async def test_replicas_are_each_opened_again_by_themselves_while_the_others_have_the_calls() -> None:
    ships = Fleet()
    async with fleet(ships, 3) as upstream:
        ships.broken = {3, 4, 5}
        ships.processes[1].drop("it crashed")
        await turns()
        state = upstream.state
        assert (state.state, state.reason) == ("ready", "1 of 3 replicas are not available: it crashed")
        assert upstream.listing.unavailable is None
        answered = await all_at_once(*(upstream.call(looking(1)) for _ in range(4)))
        assert {one["structuredContent"]["process"] for one in answered} == {0, 2}

        await asyncio.sleep(60)
        assert upstream.state.reason is None
        answered = await all_at_once(*(upstream.call(looking(1)) for _ in range(3)))
        assert {one["structuredContent"]["process"] for one in answered} == {0, 2, 6}


@in_virtual_time
async def test_an_upstream_is_unavailable_once_all_of_its_replicas_are() -> None:
    ships = Fleet()
    ships.broken = {0, 1}
    async with fleet(ships, 2) as upstream:
        assert upstream.state.state == "failed"
        with pytest.raises(CallFailedError, match="cannot start it") as failed:
            await upstream.call(looking())
        assert not failed.value.sent
