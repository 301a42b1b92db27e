"""Identical reads in flight become one upstream call, and nobody can tell but by the time."""

import asyncio
from typing import Any

import pytest
from tests.proxy.counter import Tally, add, batch, get, merged, outcomes, run
from tests.proxy.merging import Line, awaited, look
from tests.proxy.parts import answer, turns
from tests.proxy.parts import tool as tool_named
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Attempt
from headgate.proxy.capacity import Capacity
from headgate.proxy.coalesce import Coalesced
from headgate.proxy.flights import Flights
from headgate.proxy.limits import Limits
from headgate.proxy.path import call_path
from headgate.tools.reply import reply_to
from headgate.tools.rules import Rate, ToolRules, UpstreamRules


@in_virtual_time
async def test_five_identical_reads_are_one_upstream_call_and_five_envelopes_of_which_four_are_marked() -> None:
    tally = Tally()
    async with tally.up() as upstreams:
        driver = batch(upstreams, *[get("a")] * 5)
        await run(driver)

    reply = reply_to(driver.plan, driver.outcomes, "b_1", 1.0, 10_000).body
    assert tally.made == {"get": 1}
    assert [result.get("coalesced", False) for result in reply["results"]] == [False] + [True] * 4
    assert [result["status"] for result in reply["results"]] == ["ok"] * 5
    assert [result["duration_ms"] for result in reply["results"]] == [1000] * 5
    assert reply["serial_ms"] == 5000


@in_virtual_time
async def test_a_followers_time_is_its_own_waiting_from_when_it_joined() -> None:
    async with Tally(waits_s=(5,)).up() as upstreams:
        early, late = batch(upstreams, get()), batch(upstreams, get())
        async with asyncio.TaskGroup() as tasks:
            early.start(tasks)
            await asyncio.sleep(7)
            late.start(tasks)

    (own,), (joined,) = outcomes(early), outcomes(late)
    assert (own.coalesced, joined.coalesced) == (False, True)
    assert (own.duration_s, joined.duration_s) == pytest.approx((10, 3), abs=0.01)
    assert joined.queued_s == pytest.approx(0, abs=0.01)


@in_virtual_time
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (look(), look(arguments={"k": 2})),
        (look(), look(arguments={"k": 1.0})),
        (look(), look(arguments={"k": "1"})),
        (look(), look(arguments={"k": 1, "l": None})),
        (look(), look(timeout_s=29.0)),
        (look(), look(principal="somebody")),
        (look(), look(tool=tool_named("see"))),
    ],
    ids=["a value", "a number's kind", "a value's type", "a further argument", "timeout", "principal", "tool"],
)
async def test_what_differs_in_anything_is_not_merged(one: Attempt, other: Attempt) -> None:
    line = Line()
    call = Coalesced(Flights(), line.send).call
    async with asyncio.TaskGroup() as tasks:
        for attempt in (one, other):
            tasks.create_task(awaited(call(attempt)))
        await turns()
        assert len(line.sent) == 2
        line.end(0, answer())
        line.end(1, answer())


@in_virtual_time
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": {"c": 1, "d": [1, 2]}}, {"b": {"d": [1, 2], "c": 1}, "a": 1}),
        ({}, {}),
    ],
    ids=["the order of keys", "no arguments"],
)
async def test_what_says_the_same_is_merged(one: dict[str, Any], other: dict[str, Any]) -> None:
    line = Line()
    call = Coalesced(Flights(), line.send).call
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(awaited(call(look(arguments=arguments)))) for arguments in (one, other)]
        await turns()
        assert len(line.sent) == 1
        line.end(0, answer("x"))
    assert [task.result() for task in running] == [answer("x")] * 2


@in_virtual_time
@pytest.mark.parametrize("odd", [{"n": 2**64}, {"s": "\ud800"}, {"o": {1, 2}}], ids=["number", "text", "no JSON"])
async def test_arguments_that_are_not_plain_json_are_passed_on_and_never_merged(odd: dict[str, Any]) -> None:
    line = Line()
    call = Coalesced(Flights(), line.send).call
    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(awaited(call(look(arguments=odd))))
        await turns()
        assert len(line.sent) == 2
        line.end(0, answer())
        line.end(1, answer())


@in_virtual_time
async def test_identical_writes_are_each_made() -> None:
    tally = Tally()
    async with tally.up() as upstreams:
        driver = batch(upstreams, *[add("a")] * 3)
        await run(driver)

    assert (tally.made["add"], tally.counts["a"], merged(driver)) == (3, 3, 0)


@in_virtual_time
async def test_a_read_is_not_merged_with_one_that_has_ended() -> None:
    tally = Tally()
    async with tally.up() as upstreams:
        driver = batch(upstreams, get(id="first"), get(id="then", depends_on=["first"]))
        await run(driver)

    assert (tally.made["get"], merged(driver)) == (2, 0)


@in_virtual_time
async def test_two_batches_share_a_call() -> None:
    tally = Tally()
    async with tally.up() as upstreams:
        one, other = batch(upstreams, get("a"), get("b")), batch(upstreams, get("b"), get("c"))
        await run(one, other)

    assert tally.made["get"] == 3
    assert (merged(one), merged(other)) == (0, 1)


@in_virtual_time
async def test_followers_take_neither_a_permit_nor_a_token() -> None:
    line = Line()
    limits = Limits(UpstreamRules(concurrency=2, rate=Rate(2, 60.0, 2)))
    call = call_path(limits, line.send)
    batch_caps = (Capacity(2),)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(50):
            tasks.create_task(awaited(call(look(batch=batch_caps))))
        other = tasks.create_task(awaited(call(look(arguments={"k": 2}, batch=batch_caps))))
        await turns()
        assert len(line.sent) == 2
        assert batch_caps[0].free == 0
        line.end(1, answer("other"))
        assert await other == answer("other")
        line.end(0, answer())
    assert batch_caps[0].free == 2


@in_virtual_time
async def test_a_read_does_not_wait_for_one_that_its_own_batch_holds_up() -> None:
    tally = Tally(waits_s=(5,))
    async with tally.up() as upstreams:
        long = batch(upstreams, *[get(f"other{n}") for n in range(10)], get("wanted"), reads=1)
        short = batch(upstreams, get("wanted"))
        async with asyncio.TaskGroup() as tasks:
            long.start(tasks)
            await turns()
            short.start(tasks)
            assert await short.wait(10.1)
        assert await long.wait(1000)

    assert (merged(short), merged(long)) == (0, 0)


@in_virtual_time
async def test_a_read_joins_one_that_waits_for_what_both_would_have_to_wait_for() -> None:
    rules = UpstreamRules(tools={"get": ToolRules(rate=Rate(1, 10.0, 1))})
    tally = Tally()
    async with tally.up(rules) as upstreams:
        one, other = batch(upstreams, get("a"), get("b")), batch(upstreams, get("b"))
        await run(one, other)

    assert (tally.made["get"], merged(other)) == (2, 1)
