"""The way of a call: turn, permits, pace, clock, connection, in virtual time."""

import asyncio
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from tests.proxy.parts import all_at_once, answer, attempt, tool
from tests.virtual_time import in_virtual_time

from headgate.proxy.capacity import Capacity
from headgate.proxy.connection import CallFailedError
from headgate.proxy.limits import Limits
from headgate.proxy.path import Attempt, call_path
from headgate.tools.catalogue import Tool
from headgate.tools.rules import Rate, ToolRules, UpstreamRules

pytestmark = in_virtual_time


class Sink:
    """The far end: each call takes `takes_s`, and the stamps of all are kept."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.takes_s = takes_s
        self.starts: list[float] = []
        self.running = self.most = 0

    async def send(self, sending: Attempt) -> Mapping[str, Any]:
        sending.sent = True
        self.starts.append(asyncio.get_running_loop().time())
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.takes_s)
        finally:
            self.running -= 1
        return answer()

    def gaps(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.starts)]


def rated(count: int, burst: int, period_s: float = 1.0) -> ToolRules:
    return ToolRules(rate=Rate(count, period_s, burst))


def rules_of(of: Tool, **more: Any) -> UpstreamRules:
    """What the upstream of a tool goes by."""
    return UpstreamRules(tools={of.name: of.rules}, **more)


async def test_five_a_second_one_at_a_time_never_start_closer_than_200_ms() -> None:
    sink = Sink(takes_s=0.03)
    paced = tool(rules=rated(5, burst=1))
    call = call_path(Limits(rules_of(paced)), sink.send)

    await all_at_once(*(call(attempt(paced)) for _ in range(20)))

    assert min(sink.gaps()) >= 0.2 - 1e-9
    assert sink.starts[-1] - sink.starts[0] == pytest.approx(19 * 0.2, abs=0.05)


async def test_a_burst_of_n_goes_at_once_and_then_at_its_rate() -> None:
    sink = Sink()
    paced = tool(rules=rated(5, burst=5))
    call = call_path(Limits(rules_of(paced)), sink.send)

    await all_at_once(*(call(attempt(paced)) for _ in range(10)))

    assert sink.starts[4] - sink.starts[0] < 0.001
    assert sink.gaps()[4:] == pytest.approx([0.2] * 5, abs=0.001)


async def test_after_a_pause_there_is_a_burst_again_and_no_more_than_that() -> None:
    sink = Sink()
    call = call_path(Limits(UpstreamRules(rate=Rate(5, 1.0, 2))), sink.send)
    await all_at_once(*(call(attempt()) for _ in range(4)))
    await asyncio.sleep(60)
    sink.starts.clear()

    await all_at_once(*(call(attempt()) for _ in range(4)))

    assert sink.starts[1] - sink.starts[0] < 0.001
    assert sink.gaps()[1:] == pytest.approx([0.2, 0.2], abs=0.001)


async def test_a_tools_limit_and_its_upstreams_hold_together() -> None:
    sink = Sink()
    slow, free = tool("slow", rules=rated(2, burst=1)), tool("free")
    call = call_path(Limits(rules_of(slow, rate=Rate(10, 1.0, 1))), sink.send)
    stamps: dict[str, list[float]] = {"slow": [], "free": []}

    async def one(of: Tool) -> None:
        sending = attempt(of)
        await call(sending)
        assert sending.started_at is not None
        stamps[of.name].append(sending.started_at)

    await all_at_once(*(one(slow) for _ in range(5)), *(one(free) for _ in range(20)))

    assert min(later - earlier for earlier, later in pairwise(sorted(stamps["slow"]))) >= 0.5 - 1e-9
    assert min(sink.gaps()) >= 0.1 - 1e-9
    assert sink.starts[-1] - sink.starts[0] < 4


async def test_a_paced_tool_leaves_the_batchs_permits_to_others() -> None:
    sink = Sink()
    batch = (Capacity(4),)
    paced, free = tool("paced", rules=rated(1, burst=1)), tool("free")
    call = call_path(Limits(rules_of(paced)), sink.send)

    async with asyncio.timeout(100):
        started = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(call_of(call(attempt(paced, batch=batch))))
            others = [tasks.create_task(call_of(call(attempt(free, batch=batch)))) for _ in range(20)]
            await asyncio.wait(others)
            assert asyncio.get_running_loop().time() - started < 0.1

    assert batch[0].free == 4


async def call_of(calling: Any) -> Any:
    return await calling


async def test_caps_of_tool_upstream_and_batch_are_never_exceeded() -> None:
    for rules, concurrency, batch, most in (
        (ToolRules(concurrency=2), 16, 8, 2),
        (ToolRules(), 3, 8, 3),
        (ToolRules(concurrency=6), 5, 4, 4),
    ):
        sink = Sink(takes_s=1)
        call = call_path(Limits(rules_of(tool(rules=rules), concurrency=concurrency)), sink.send)
        cap = (Capacity(batch),)
        await all_at_once(*(call(attempt(tool(rules=rules), batch=cap)) for _ in range(12)))
        assert sink.most == most
        assert cap[0].free == batch


async def test_waiting_for_a_permit_does_not_count_against_a_calls_own_timeout() -> None:
    sink = Sink(takes_s=1)
    call = call_path(Limits(UpstreamRules(concurrency=1)), sink.send)
    calls = [attempt(timeout_s=1.5) for _ in range(10)]

    await all_at_once(*map(call, calls))

    assert calls[-1].queued_s == pytest.approx(9, abs=0.01)


async def test_a_call_that_times_out_gives_all_its_permits_back() -> None:
    sink = Sink(takes_s=100)
    limits = Limits(UpstreamRules(concurrency=1))
    call = call_path(limits, sink.send)
    batch = (Capacity(1),)
    for _ in range(3):
        with pytest.raises(CallFailedError, match="no answer in 1 s"):
            await call(attempt(timeout_s=1, batch=batch))
    assert batch[0].free == 1
    sink.takes_s = 0
    assert await call(attempt(timeout_s=1, batch=batch)) == answer()


async def test_a_write_that_was_sent_and_times_out_is_unknown_and_a_read_a_timeout() -> None:
    call = call_path(Limits(UpstreamRules()), Sink(takes_s=100).send)

    with pytest.raises(CallFailedError) as failed:
        await call(attempt(timeout_s=2.5))

    assert failed.value.sent
    read, write = failed.value.failure("read"), failed.value.failure("write")
    assert (read.status, read.code, read.message) == ("timeout", "TOOL_TIMEOUT", "no answer in 2.5 s")
    assert (write.status, write.code) == ("unknown", "OUTCOME_UNKNOWN")
    assert "may have been applied" in write.message


async def test_a_write_that_was_never_sent_is_an_error_and_not_unknown() -> None:
    async def not_up(_sending: Attempt) -> Mapping[str, Any]:
        await asyncio.sleep(100)
        raise AssertionError

    call = call_path(Limits(UpstreamRules()), not_up)
    with pytest.raises(CallFailedError) as failed:
        await call(attempt(tool(kind="write"), timeout_s=2))

    ended = failed.value.failure("write")
    assert (ended.status, ended.code) == ("error", "UPSTREAM_UNAVAILABLE")
    assert ended.message == 'upstream "up" did not take the call within 2 s'


async def test_writes_of_two_batches_to_one_scope_take_turns_and_reads_pass() -> None:
    sink = Sink(takes_s=1)
    call = call_path(Limits(UpstreamRules()), sink.send)
    writing = tool("write", "write")

    await all_at_once(*(call(attempt(writing)) for _ in range(3)))
    assert sink.gaps() == pytest.approx([1, 1], abs=0.01)

    sink.most = 0
    await all_at_once(call(attempt(writing)), *(call(attempt()) for _ in range(3)))
    assert sink.most == 4


async def test_writes_to_different_resources_do_not_wait_for_each_other() -> None:
    sink = Sink(takes_s=1)
    call = call_path(Limits(UpstreamRules()), sink.send)
    writing = tool("write", "write", ToolRules(resource="order:{id}"))

    def to(order: str) -> Attempt:
        sending = attempt(writing)
        sending.arguments = {"id": order}
        return sending

    await all_at_once(call(to("A")), call(to("B")))
    assert sink.most == 2

    sink.most = 0
    await all_at_once(call(to("A")), call(to("A")))
    assert sink.most == 1


@pytest.mark.parametrize("cancel_after", [0.0, 0.05, 0.2, 0.3, 1.0, 2.0])
async def test_wherever_a_call_is_cancelled_it_leaves_nothing_taken(cancel_after: float) -> None:
    sink = Sink(takes_s=0.5)
    limits = Limits(UpstreamRules(concurrency=2, rate=Rate(5, 1.0, 1)))
    call = call_path(limits, sink.send)
    batch = (Capacity(3),)
    kinds = (tool("write", "write", rated(2, burst=1)), tool("look", rules=ToolRules(concurrency=1)))

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(call_of(call(attempt(kinds[n % 2], batch=batch)))) for n in range(10)]
        await asyncio.sleep(cancel_after)
        for task in running:
            task.cancel()

    assert batch[0].free == 3
    async with asyncio.timeout(5):
        await all_at_once(*(call(attempt(kind, batch=batch)) for kind in kinds))
    assert batch[0].free == 3
