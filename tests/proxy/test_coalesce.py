"""Identical reads in flight become one upstream call, and nobody can tell but by the time."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.counter import Tally, add, batch, count_in, get, merged, outcomes, refuse, run
from tests.proxy.parts import answer, turns
from tests.proxy.parts import tool as tool_named
from tests.virtual_time import VirtualLoop, in_virtual_time

from headgate.proxy.attempt import Ahead, Attempt
from headgate.proxy.capacity import Capacity
from headgate.proxy.coalesce import coalesced
from headgate.proxy.connection import CallFailedError
from headgate.proxy.driver import Driver
from headgate.proxy.flights import Flights
from headgate.proxy.limits import Limits
from headgate.proxy.path import call_path
from headgate.tools.outcome import Failure, Outcome
from headgate.tools.reply import reply_to
from headgate.tools.rules import Rate, ToolRules, UpstreamRules

LOOK = tool_named("look")


class Line:
    """What stands behind the wrapper: keeps who was sent, and answers when it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[Attempt, asyncio.Future[Mapping[str, Any]]]] = []

    async def send(self, attempt: Attempt) -> Mapping[str, Any]:
        answered: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self.sent.append((attempt, answered))
        return await answered

    @asynccontextmanager
    async def group(self) -> AsyncGenerator[asyncio.TaskGroup]:
        """Tasks for calls; those that nobody has answered at the end are."""
        self.call = coalesced(Flights(), self.send)
        async with asyncio.TaskGroup() as tasks:
            yield tasks
            for _, answered in self.sent:
                if not answered.done():
                    answered.set_result(answer())

    def ask(self, tasks: asyncio.TaskGroup, *attempts: Attempt) -> None:
        for attempt in attempts:
            tasks.create_task(_call(self.call(attempt)))

    def end(self, which: int, result: Mapping[str, Any] | Exception) -> None:
        if isinstance(result, Exception):
            self.sent[which][1].set_exception(result)
        else:
            self.sent[which][1].set_result(result)


def look(**more: Any) -> Attempt:
    fields: dict[str, Any] = {"tool": LOOK, "arguments": {"k": 1}, "timeout_s": 30.0} | more
    return Attempt(**fields)


PAY = Attempt(tool_named("pay", "write"), {}, 30.0)


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
    call = coalesced(Flights(), line.send)
    async with asyncio.TaskGroup() as tasks:
        for attempt in (one, other):
            tasks.create_task(_call(call(attempt)))
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
    call = coalesced(Flights(), line.send)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_call(call(look(arguments=arguments)))) for arguments in (one, other)]
        await turns()
        assert len(line.sent) == 1
        line.end(0, answer("x"))
    assert [task.result() for task in running] == [answer("x")] * 2


@in_virtual_time
@pytest.mark.parametrize("odd", [{"n": 2**64}, {"s": "\ud800"}, {"o": {1, 2}}], ids=["number", "text", "no JSON"])
async def test_arguments_that_are_not_plain_json_are_passed_on_and_never_merged(odd: dict[str, Any]) -> None:
    line = Line()
    call = coalesced(Flights(), line.send)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(_call(call(look(arguments=odd))))
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
async def test_reads_on_both_sides_of_a_write_are_never_one() -> None:
    tally = Tally()
    async with tally.up() as upstreams:
        driver = batch(upstreams, get(), get(), add(), get(), get())
        await run(driver)

    ended = outcomes(driver)
    assert [count_in(read) for read in (*ended[:2], *ended[3:])] == [0, 0, 1, 1]
    assert (tally.made["get"], merged(driver)) == (2, 2)


@in_virtual_time
async def test_a_read_that_set_out_before_a_write_is_not_joined_while_the_write_is_under_way() -> None:
    line = Line()
    async with line.group() as tasks:
        line.ask(tasks, look(), PAY, look())
        await turns()
        assert len(line.sent) == 3


@in_virtual_time
async def test_a_read_that_set_out_during_a_write_is_not_joined_after_its_end() -> None:
    line = Line()
    async with line.group() as tasks:
        line.ask(tasks, PAY, look())
        await turns()
        line.end(0, answer())
        await turns()
        line.ask(tasks, look())
        await turns()
        assert len(line.sent) == 3


@in_virtual_time
async def test_during_a_write_reads_share_a_call_until_any_read_has_ended_that_may_have_seen_the_write() -> None:
    line = Line()
    other = look(arguments={"k": 2})
    async with line.group() as tasks:
        line.ask(tasks, PAY, look(), other, look())
        await turns()
        assert len(line.sent) == 3
        line.end(2, answer())
        await turns()
        line.ask(tasks, look())
        await turns()
        assert len(line.sent) == 4


@in_virtual_time
async def test_a_read_from_before_a_write_that_ends_late_leaves_the_newer_one_to_be_joined() -> None:
    line = Line()
    async with line.group() as tasks:
        line.ask(tasks, look(), PAY)
        await turns()
        line.end(1, answer())
        await turns()
        line.ask(tasks, look())
        await turns()
        line.end(0, answer())
        await turns()
        line.ask(tasks, look())
        await turns()
        assert len(line.sent) == 3


@in_virtual_time
async def test_an_answer_fetched_ahead_that_lands_during_a_write_is_given_to_nobody() -> None:
    line = Line()
    told: list[bool | None] = []
    early = look(ahead=Ahead(10, lambda ahead: told.append(ahead.used)))
    async with line.group() as tasks:
        line.ask(tasks, PAY, early)
        await turns()
        line.end(1, answer())
        await turns()
        line.ask(tasks, look())
        await turns()
        assert len(line.sent) == 3
    assert told == [None, False]


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
            tasks.create_task(_call(call(look(batch=batch_caps))))
        other = tasks.create_task(_call(call(look(arguments={"k": 2}, batch=batch_caps))))
        await turns()
        assert len(line.sent) == 2
        assert batch_caps[0].free == 0
        line.end(1, answer("other"))
        assert await other == answer("other")
        line.end(0, answer())
    assert batch_caps[0].free == 2


@in_virtual_time
async def test_when_the_leader_is_cancelled_the_first_follower_makes_the_call_for_the_rest() -> None:
    line = Line()
    call = coalesced(Flights(), line.send)
    asked = [look() for _ in range(4)]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_call(call(attempt))) for attempt in asked]
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
    call = coalesced(Flights(), line.send)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_call(call(look()))) for _ in range(5)]
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
async def test_a_follower_that_leaves_takes_nobody_with_it() -> None:
    line = Line()
    call = coalesced(Flights(), line.send)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_call(call(look()))) for _ in range(3)]
        await turns()
        running[1].cancel()
        await turns()
        line.end(0, answer())
    assert [task.cancelled() for task in running] == [False, True, False]


@in_virtual_time
async def test_when_all_have_left_the_next_read_goes_out_by_itself() -> None:
    line = Line()
    call = coalesced(Flights(), line.send)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_call(call(look()))) for _ in range(3)]
        await turns()
        for task in running:
            task.cancel()
        await turns()
        last = tasks.create_task(_call(call(look())))
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
    call = coalesced(Flights(), line.send)
    failed = CallFailedError("TOOL_TIMEOUT", "no answer in 30 s", sent=True)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_failure_of(call(look()))) for _ in range(3)]
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


Asked = tuple[str, str, int]
"""A tool, its `k`, and a number that makes reads of one `k` different from each other."""
_ASKED = st.tuples(st.sampled_from(["get", "get", "get", "add"]), st.sampled_from("ab"), st.integers(0, 1))
_WAITS_S = (0.0, 0.1, 0.5, 2.0)


@given(st.lists(_ASKED, min_size=1, max_size=14), st.integers(0, 2**32))
def test_in_one_batch_every_read_sees_the_writes_listed_before_it_and_no_others(asked: list[Asked], seed: int) -> None:
    (driver,), tally = _played([(0, asked)], seed)

    for position, (outcome, (kind, k, _)) in enumerate(zip(outcomes(driver), asked, strict=True)):
        if kind == "get":
            assert count_in(outcome) == sum(it[:2] == ("add", k) for it in asked[:position])
    assert tally.made["get"] + merged(driver) == sum(kind == "get" for kind, *_ in asked)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.lists(_ASKED, min_size=1, max_size=8)), min_size=2, max_size=5),
    st.integers(0, 2**32),
)
def test_across_batches_a_read_sees_what_was_written_before_it_and_time_never_runs_backwards(
    batches: list[tuple[int, list[Asked]]], seed: int
) -> None:
    drivers, _ = _played(batches, seed)

    ended = [
        (call, outcome)
        for driver, (_, asked) in zip(drivers, batches, strict=True)
        for call, outcome in zip(asked, outcomes(driver), strict=True)
    ]
    for k in "ab":
        writes = [outcome for call, outcome in ended if call[:2] == ("add", k)]
        reads = [outcome for call, outcome in ended if call[:2] == ("get", k)]
        for read in reads:
            assert count_in(read) >= sum(write.ended_at < _start(read) for write in writes)
            assert count_in(read) <= sum(_start(write) < read.ended_at for write in writes)
        for earlier, later in product(reads, reads):
            if earlier.ended_at < _start(later):
                assert count_in(earlier) <= count_in(later)


def _played(batches: list[tuple[int, list[Asked]]], seed: int) -> tuple[list[Driver], Tally]:
    """Run each batch from its start, in tenths of a second, on; calls take as long as `seed` says."""
    tally = Tally(_WAITS_S, seed)

    async def main() -> list[Driver]:
        async with tally.up() as upstreams, asyncio.TaskGroup() as tasks:
            drivers = [
                batch(upstreams, *[get(k, n=n) if kind == "get" else add(k) for kind, k, n in asked])
                for _, asked in batches
            ]
            for driver, (start, _) in zip(drivers, batches, strict=True):
                asyncio.get_running_loop().call_later(start / 10, driver.start, tasks)
            for driver in drivers:
                await driver.wait()
        return drivers

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main()), tally


def _start(outcome: Outcome) -> float:
    assert outcome.started_at is not None
    return outcome.started_at


async def _call(calling: Any) -> Any:
    return await calling


async def _failure_of(calling: Any) -> CallFailedError:
    with pytest.raises(CallFailedError) as failed:
        await calling
    return failed.value
