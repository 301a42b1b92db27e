"""The laws at the top of schedule.py, each as a property over random batches, durations and caps.

The reference is one_by_one.py: every call made one by one, in the plainest way.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import DEEP
from tests.tools.one_by_one import effective_order, must_wait, one_by_one
from tests.tools.simulated import Run, planned, simulate
from tests.tools.world import Asking, World, as_result, asking

from headgate.tools.outcome import Answer, Failure
from headgate.tools.schedule import Cancel, Ended, Schedule, Start

law = settings(max_examples=20_000 if DEEP else 300)
CAPACITY = st.sampled_from((1, 2, 3, 5, 10_000))
HOW = st.sampled_from(("expired", "cancelled"))
CUT_SHORT = {"CANCELLED", "DEADLINE_EXCEEDED", "TOOL_TIMEOUT"}


def results_of(run: Run) -> dict[str, object]:
    ended = zip(run.asking.calls, run.schedule.outcomes, strict=True)
    return {one.id: as_result(outcome.result) for one, outcome in ended if outcome is not None}


@settings(law, max_examples=100_000 if DEEP else 5_000)
@given(asking(guessing=True), CAPACITY)
def test_every_result_and_the_state_are_those_of_running_one_by_one(asking: Asking, capacity: int) -> None:
    run, world = simulate(asking, planned(asking), capacity=capacity), World()

    assert results_of(run) == one_by_one(asking.calls, world, asking.serialize)
    assert run.world.state == world.state


@law
@given(asking(guessing=True))
def test_the_plan_stands_in_the_effective_order(asking: Asking) -> None:
    assert list(planned(asking).order) == effective_order(asking.calls)


@law
@given(asking(guessing=True))
def test_a_call_waits_for_what_the_contract_names_and_for_nothing_else(asking: Asking) -> None:
    plan = planned(asking)
    told: dict[int, set[int]] = {}
    meant: dict[int, set[int]] = {}
    for at, index in enumerate(plan.order):
        step, earlier = plan.steps[index], plan.order[:at]
        named = [one for one in earlier if must_wait(asking.calls[one], asking.calls[index], asking.serialize)]
        told[index] = {*step.needs, *step.after}.union(*(told[one] for one in (*step.needs, *step.after)))
        meant[index] = set(named).union(*(meant[one] for one in named))

    assert told == meant


@law
@given(asking(guessing=True), CAPACITY)
def test_every_call_ends_once_and_outcomes_stand_in_the_order_of_the_request(asking: Asking, capacity: int) -> None:
    run = simulate(asking, planned(asking), capacity=capacity)
    outcomes = run.schedule.outcomes

    assert run.schedule.done
    assert run.schedule.ended == len(asking.calls)
    assert all(outcome is not None for outcome in outcomes)
    for index, outcome in enumerate(outcomes):
        answered = outcome is not None and isinstance(outcome.result, Answer)
        assert not answered or index in run.started_at or asking.calls[index].items == ()


@law
@given(asking(guessing=True), CAPACITY)
def test_the_same_events_bring_about_the_same_commands(asking: Asking, capacity: int) -> None:
    run = simulate(asking, planned(asking), capacity=capacity, stop_at=6)
    again = Schedule(planned(asking), World.check)

    for event, now, commands in run.log:
        assert (again.begin(now) if event is None else again.handle(event, now)) == commands
    assert again.outcomes == run.schedule.outcomes


@law
@given(asking(guessing=True), CAPACITY)
def test_something_is_in_flight_until_everything_has_ended(asking: Asking, capacity: int) -> None:
    run, plan = simulate(asking, planned(asking), capacity=capacity), planned(asking)
    again = Schedule(plan, World.check)

    for event, now, _ in run.log:
        _ = again.begin(now) if event is None else again.handle(event, now)
        assert again.done or any(again.in_flight(index) for index in range(len(plan.steps)))
    assert again.done


@law
@given(asking(), CAPACITY)
def test_nothing_starts_before_what_it_waits_for_has_ended(asking: Asking, capacity: int) -> None:
    run = simulate(asking, planned(asking), capacity=capacity)
    order = effective_order(asking.calls)

    for at, index in enumerate(order):
        for earlier in order[:at]:
            if {index, earlier} <= run.started_at.keys() and must_wait(
                asking.calls[earlier], asking.calls[index], asking.serialize
            ):
                assert run.ended_at[earlier] <= run.started_at[index]


@law
@given(asking(guessing=True), CAPACITY)
def test_two_writes_of_one_chain_are_never_in_flight_together(asking: Asking, capacity: int) -> None:
    plan = planned(asking)
    run = simulate(asking, plan, capacity=capacity)
    again = Schedule(plan, World.check)

    for event, now, _ in run.log:
        _ = again.begin(now) if event is None else again.handle(event, now)
        flying = [step.chain for index, step in enumerate(plan.steps) if again.in_flight(index)]
        chains = [chain for chain in flying if chain is not None]
        assert not any(one.meets(other) for at, one in enumerate(chains) for other in chains[:at])


@law
@given(asking(guessing=True), CAPACITY, st.integers(0, 20), HOW)
def test_nothing_starts_once_the_deadline_has_passed_or_the_batch_was_cancelled(
    asking: Asking, capacity: int, stop_at: int, how: str
) -> None:
    run = simulate(asking, planned(asking), capacity=capacity, stop_at=stop_at, cancel=how == "cancelled")
    stopped = False
    for event, _, commands in run.log:
        stopped = stopped or type(event).__name__ in ("Expired", "Cancelled")
        assert not stopped or not any(isinstance(command, Start) for command in commands)
    assert run.schedule.done


@law
@given(asking(guessing=True), CAPACITY, st.integers(0, 20), HOW)
def test_what_ended_before_a_batch_was_cut_short_is_as_one_by_one(
    asking: Asking, capacity: int, stop_at: int, how: str
) -> None:
    run = simulate(asking, planned(asking), capacity=capacity, stop_at=stop_at, cancel=how == "cancelled")

    assert_serial_where_not_cut_short(run)


@law
@given(asking(guessing=True), CAPACITY, st.integers(0, 20))
def test_what_was_not_sent_by_the_deadline_is_skipped_and_a_read_that_was_sent_has_given_no_answer(
    asking: Asking, capacity: int, stop_at: int
) -> None:
    run = simulate(asking, planned(asking), capacity=capacity, stop_at=stop_at)
    for index, outcome in enumerate(run.schedule.outcomes):
        assert outcome is not None
        ended = [outcome] if outcome.items is None else outcome.items
        for item, one in enumerate(ended):
            key = (index, None if outcome.items is None else item)
            code = one.result.code if isinstance(one.result, Failure) else "ok"
            if asking.calls[index].kind == "read" and key in run.unsent:
                assert (code, one.started_at) == ("DEADLINE_EXCEEDED", None)
            elif index in run.started_at and asking.calls[index].kind == "read":
                assert code != "DEADLINE_EXCEEDED"


@law
@given(asking(guessing=True), CAPACITY)
def test_with_on_error_stop_nothing_starts_after_the_first_failure(asking: Asking, capacity: int) -> None:
    plan = planned(asking, on_error="stop")
    run, again = simulate(asking, plan, capacity=capacity), Schedule(plan, World.check)
    turn = {index: at for at, index in enumerate(plan.order)}

    for event, now, commands in run.log:
        assert not failures_of(again) or not commands
        _ = again.begin(now) if event is None else again.handle(event, now)
        cancelled = {command.index for command in commands if isinstance(command, Cancel)}
        going = {command.index for command in commands if isinstance(command, Start)} - cancelled
        failures = failures_of(again)
        assert not going or not failures or not isinstance(event, Ended) or event.outcome.ok
        assert all(turn[index] < turn[failed] for index in going for failed in failures)
    assert_serial_where_not_cut_short(run)


def failures_of(schedule: Schedule) -> list[int]:
    failed = ("error", "timeout", "unknown")
    return [index for index, outcome in enumerate(schedule.outcomes) if outcome and outcome.status in failed]


@law
@given(asking())
def test_with_capacity_for_all_every_call_ends_when_its_critical_path_does(asking: Asking) -> None:
    run = simulate(asking, planned(asking))
    order = effective_order(asking.calls)
    ends: dict[int, float] = {}
    for at, index in enumerate(order):
        one = asking.calls[index]
        waits = [earlier for earlier in order[:at] if must_wait(asking.calls[earlier], one, asking.serialize)]
        took = one.reaches_s + one.returns_s if index in run.started_at else 0
        if one.items is not None and one.kind == "write":
            took *= len(one.items) if one.fate == "ok" else min(len(one.items), 1)
        ends[index] = max((ends[earlier] for earlier in waits), default=0.0) + took

    assert [outcome.ended_at for outcome in run.schedule.outcomes if outcome] == [ends[i] for i in range(len(ends))]
    assert max(ends.values()) == run.log[-1][1]


@law
@given(asking(20, guessing=True))
def test_with_parallel_off_calls_go_one_at_a_time_and_end_the_same(asking: Asking) -> None:
    plan, in_turn = planned(asking), planned(asking, one_by_one=True)
    run = simulate(asking, in_turn)

    assert results_of(run) == results_of(simulate(asking, plan))
    again = Schedule(in_turn, World.check)
    for event, now, _ in run.log:
        _ = again.begin(now) if event is None else again.handle(event, now)
        assert sum(again.in_flight(index) for index in range(len(plan.steps))) <= 1


def assert_serial_where_not_cut_short(run: Run) -> None:
    """Whatever was not cut short is as it would have been, and the state is that of the writes that ran."""
    serial = one_by_one(run.asking.calls, World(), run.asking.serialize)
    results = results_of(run)
    for index, one in enumerate(run.asking.calls):
        if results[one.id] != serial[one.id]:
            result = results[one.id]
            assert isinstance(result, tuple)
            assert result[0] in CUT_SHORT
            assert one.kind == "read" or index not in run.started_at or one.items is not None
    cancelled = [command.index for _, _, commands in run.log for command in commands if isinstance(command, Cancel)]
    assert all(run.asking.calls[index].kind == "read" for index in cancelled)


@pytest.mark.parametrize("serialize", ["batch", "upstream", "resource"])
def test_random_batches_do_what_the_laws_are_about(serialize: str) -> None:
    """The batches reach every end that a call can come to; a law over nothing would always hold."""
    seen: set[str] = set()

    @settings(max_examples=300, derandomize=True, database=None)
    @given(asking())
    def look(asking: Asking) -> None:
        if asking.serialize == serialize:
            seen.update(code for code, _ in one_by_one(asking.calls, World(), serialize).values())

    look()
    assert seen >= {
        "ok", "TOOL_ERROR", "OUTCOME_UNKNOWN", "TOOL_TIMEOUT", "DEPENDENCY_FAILED", "CHAIN_HALTED",
        "REFERENCE_NOT_FOUND", "INVALID_ARGUMENTS", "UNKNOWN_TOOL", "UPSTREAM_UNAVAILABLE",
    }  # fmt: skip
