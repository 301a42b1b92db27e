"""Reads that share a call, and those among them that are cancelled or fail: the rest are answered."""

import asyncio
from itertools import product
from typing import Any

import pytest
from tests.proxy.counter import Tally, batch, get, merged, outcomes, refuse, run
from tests.proxy.merging import Line, awaited, failure_of, look
from tests.proxy.parts import answer, turns
from tests.virtual_time import in_virtual_time

from headgate.proxy.coalesce import Coalesced
from headgate.proxy.connection import CallFailedError
from headgate.proxy.flights import Flights
from headgate.tools.outcome import Failure


@in_virtual_time
async def test_when_the_leader_is_cancelled_the_first_follower_makes_the_call_for_the_rest() -> None:
    line = Line()
    call = Coalesced(Flights(), line.send).call
    asked = [look() for _ in range(4)]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(awaited(call(attempt))) for attempt in asked]
        await turns()
        running[0].cancel()
        await turns()
        assert [attempt for attempt, _ in line.sent] == asked[:2]
        line.end(1, answer("second"))

    assert running[0].cancelled()
    assert [task.result() for task in running[1:]] == [answer("second")] * 3
    assert [attempt.coalesced for attempt in asked] == [False, False, True, True]


@in_virtual_time
@pytest.mark.parametrize("gone", list(product((False, True), repeat=3)))
async def test_whoever_is_cancelled_in_whatever_moment_the_rest_are_answered(gone: tuple[bool, ...]) -> None:
    """All leave in the same turn of the loop, so that some are handed the call just as they go."""
    line = Line()
    call = Coalesced(Flights(), line.send).call
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(awaited(call(look()))) for _ in range(5)]
        await turns()
        for task, leaves in zip(running, (True, *gone, False), strict=True):
            if leaves:
                task.cancel()
                await asyncio.sleep(0)
        await turns()
        line.end(-1, answer("late"))

    assert [task.cancelled() for task in running] == [True, *gone, False]
    assert running[-1].result() == answer("late")


@in_virtual_time
async def test_a_question_is_for_whoever_asked_and_the_next_of_those_who_wait_asks_for_itself() -> None:
    line = Line()
    call = Coalesced(Flights(), line.send).call
    question: dict[str, Any] = {"resultType": "input_required", "inputRequests": {}, "requestState": "of the first"}
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(awaited(call(look()))) for _ in range(3)]
        await turns()
        line.end(0, question)
        await turns()
        line.end(1, answer("data"))

    assert [task.result() for task in running] == [question, answer("data"), answer("data")]


@in_virtual_time
async def test_a_follower_that_leaves_takes_nobody_with_it() -> None:
    line = Line()
    call = Coalesced(Flights(), line.send).call
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(awaited(call(look()))) for _ in range(3)]
        await turns()
        running[1].cancel()
        await turns()
        line.end(0, answer())
    assert [task.cancelled() for task in running] == [False, True, False]


@in_virtual_time
async def test_when_all_have_left_the_next_read_goes_out_by_itself() -> None:
    line = Line()
    call = Coalesced(Flights(), line.send).call
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(awaited(call(look()))) for _ in range(3)]
        await turns()
        for task in running:
            task.cancel()
        await turns()
        last = tasks.create_task(awaited(call(look())))
        await turns()
        line.end(-1, answer("last"))
    assert last.result() == answer("last")


@in_virtual_time
async def test_a_cancelled_batch_leaves_the_call_to_the_batch_that_joined_it() -> None:
    tally = Tally()
    async with tally.up() as upstreams:
        first, second = batch(upstreams, get()), batch(upstreams, get())
        async with asyncio.TaskGroup() as tasks:
            first.start(tasks)
            second.start(tasks)
            await asyncio.sleep(0.1)
            first.cancel()

    (left,), (stayed,) = outcomes(first), outcomes(second)
    assert left.status == "skipped"
    assert (stayed.status, stayed.coalesced, tally.made["get"]) == ("ok", False, 2)


@in_virtual_time
async def test_the_leaders_failure_is_that_of_all_each_with_an_exception_of_its_own() -> None:
    line = Line()
    call = Coalesced(Flights(), line.send).call
    failed = CallFailedError("TOOL_TIMEOUT", "no answer in 30 s", sent=True)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(failure_of(call(look()))) for _ in range(3)]
        await turns()
        line.end(0, failed)

    raised = [task.result() for task in running]
    assert len({id(error) for error in raised}) == 3
    assert [error.failure("read") for error in raised] == [Failure("timeout", "TOOL_TIMEOUT", "no answer in 30 s")] * 3


@in_virtual_time
async def test_an_upstreams_own_error_is_shared_and_marked_too() -> None:
    tally = Tally()
    async with tally.up() as upstreams:
        driver = batch(upstreams, *[refuse()] * 3)
        await run(driver)

    assert tally.made == {"refuse": 1}
    assert [outcome.result for outcome in outcomes(driver)] == [Failure("error", "TOOL_ERROR", "no such order")] * 3
    assert merged(driver) == 2
