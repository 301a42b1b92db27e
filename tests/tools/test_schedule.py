"""The machine that walks a plan, one situation at a time. The laws over any batch are in test_schedule_laws.py."""

import pytest
from tests.tools.building import call, plan_of, ref, schedule_of
from tests.tools.playing import Play

from headgate.tools.cut_short import Queued
from headgate.tools.outcome import Answer, ErrorCode, Failure, Outcome
from headgate.tools.plan import Serialize
from headgate.tools.schedule import Cancel, Cancelled, Ended, Expired, Start

NO = Failure("error", "TOOL_ERROR", "it says no")
LOST = Failure("unknown", "OUTCOME_UNKNOWN", "no answer")


def test_reads_start_at_once() -> None:
    play = Play(plan_of(call("a.get", "one"), call("b.get", "two"), call("a.list", "three")))

    assert play.begun == ["start one", "start two", "start three"]


def test_writes_start_one_at_a_time_in_the_order_listed_across_upstreams() -> None:
    play = Play(plan_of(call("a.put", "w1"), call("b.put", "w2"), call("a.del", "w3")))

    assert play.begun == ["start w1"]
    assert play.end("w1") == ["start w2"]
    assert play.end("w2") == ["start w3"]
    assert play.end("w3") == []
    assert play.schedule.done


def test_a_read_listed_after_a_write_waits_for_it_and_a_write_for_the_reads_before_it() -> None:
    play = Play(plan_of(call("b.get", "before"), call("b.put", "write"), call("b.get", "after"), call("a.get", "else")))

    assert play.begun == ["start before", "start else"]
    assert play.end("before") == ["start write"]
    assert play.end("write") == ["start after"]


def test_a_call_starts_with_the_values_that_it_refers_to() -> None:
    plan = plan_of(call("a.get", "one"), call("b.get", "two", id={"$format": "<{x}>", "x": ref("one", "$.id")}))
    schedule = schedule_of(plan)

    assert schedule.begin(0) == [Start(0, {})]
    assert schedule.handle(Ended(0, Outcome(Answer({"id": 7}), 1)), 1) == [Start(1, {"id": "<7>"})]


def test_a_call_whose_reference_finds_nothing_fails_and_is_not_sent() -> None:
    play = Play(plan_of(call("a.get", "one"), call("b.get", "two", id=ref("one", "$.id")), call("a.get", "three")))

    assert play.end("one") == []
    assert play.became()["two"] == "REFERENCE_NOT_FOUND"
    assert '"$.id"' in play.message("two")
    assert '"one"' in play.message("two")


def test_filled_in_arguments_that_the_schema_rejects_fail_the_call() -> None:
    play = Play(plan_of(call("a.get", "one"), call("b.put", "two", bad=ref("one", "$.bad")), call("b.put", "three")))

    assert play.end("one", Answer({"bad": True})) == []
    assert play.became() == {"one": "ok", "two": "INVALID_ARGUMENTS", "three": "CHAIN_HALTED"}


@pytest.mark.parametrize("failure", [NO, LOST])
def test_a_write_that_does_not_end_ok_ends_the_writes_and_reads_go_on(failure: Failure) -> None:
    play = Play(plan_of(call("a.put", "w1"), call("b.put", "w2"), call("a.get", "r1"), call("b.get", "r2")))

    assert sorted(play.end("w1", failure)) == ["start r1", "start r2"]
    assert play.became()["w2"] == "CHAIN_HALTED"
    assert play.outcome("w2").result == Failure("skipped", "CHAIN_HALTED", 'not sent: the write "w1" did not end ok')


def test_the_chain_reaches_as_far_as_serialize_says() -> None:
    calls = (call("a.put", "w1"), call("b.put", "w2"), call("a.put", "w3"))
    play = Play(plan_of(*calls, serialize="upstream"))

    assert play.begun == ["start w1", "start w2"]
    assert play.end("w1", NO) == []
    assert play.became() == {"w1": "TOOL_ERROR", "w3": "CHAIN_HALTED"}
    assert play.end("w2") == []


def test_a_skipped_call_names_the_call_that_the_trouble_began_with() -> None:
    play = Play(plan_of(call("a.get", "r"), call("b.get", "s", x=ref("r")), call("b.get", "t", x=ref("s"))))

    assert play.end("r", NO) == []
    assert play.became() == {"r": "TOOL_ERROR", "s": "DEPENDENCY_FAILED", "t": "DEPENDENCY_FAILED"}
    assert play.message("s") == play.message("t") == 'needs "r", which ended TOOL_ERROR'
    assert (play.outcome("s").status, play.outcome("t").status) == ("skipped", "skipped")


def test_depends_on_waits_and_is_skipped_like_a_reference() -> None:
    calls = (call("a.get", "r"), call("b.get", "s", depends_on=["r"]))

    assert Play(plan_of(*calls)).end("r") == ["start s"]
    failed = Play(plan_of(*calls))
    assert failed.end("r", NO) == []
    assert failed.became()["s"] == "DEPENDENCY_FAILED"


def test_a_reference_with_a_default_waits_and_then_takes_the_default() -> None:
    plan = plan_of(call("a.get", "r"), call("b.get", "s", x=ref("r", "$.x", default=None)))
    schedule = schedule_of(plan)
    schedule.begin(0)

    assert schedule.handle(Ended(0, Outcome(NO, 1)), 1) == [Start(1, {"x": None})]


@pytest.mark.parametrize("first", ["w1", "w2"])
def test_which_broken_chain_a_skipped_write_names_does_not_hang_on_time(first: str) -> None:
    calls = (call("a.put", "w1", k="1"), call("a.put", "w2", k="2"), call("a.del", "w3"))
    play = Play(plan_of(*calls, serialize="resource"))
    assert play.begun == ["start w1", "start w2"]
    for identity in (first, "w2" if first == "w1" else "w1"):
        play.end(identity, NO)

    assert play.message("w3") == 'not sent: the write "w1" did not end ok'


@pytest.mark.parametrize("tool", ["a.nothing", "nowhere.tool"])
def test_with_an_unknown_tool_in_it_no_write_of_a_batch_starts(tool: str) -> None:
    play = Play(plan_of(call("a.put", "w1"), call("a.get", "r"), call(tool, "typo"), call("b.put", "w2")))

    assert play.begun == ["start r"]
    assert play.became() == {"w1": "CHAIN_HALTED", "typo": "UNKNOWN_TOOL", "w2": "CHAIN_HALTED"}
    assert '"typo"' in play.message("w1")


@pytest.mark.parametrize("serialize", ["batch", "upstream", "resource"])
def test_a_write_with_invalid_arguments_keeps_every_write_from_starting(serialize: Serialize) -> None:
    calls = (call("b.put", "w1"), call("a.put", "w2", bad=1), call("a.get", "r", bad=1), call("b.get", "s"))
    play = Play(plan_of(*calls, serialize=serialize))

    assert play.begun == ["start s"]
    assert play.became() == {"w1": "CHAIN_HALTED", "w2": "INVALID_ARGUMENTS", "r": "INVALID_ARGUMENTS"}


def test_a_read_with_invalid_arguments_fails_alone() -> None:
    play = Play(plan_of(call("a.get", "r", bad=1), call("b.put", "w")))

    assert play.begun == ["start w"]
    assert play.became() == {"r": "INVALID_ARGUMENTS"}


def test_an_upstream_that_is_away_halts_the_chain_only_where_it_stands() -> None:
    play = Play(plan_of(call("a.put", "w1"), call("down.put", "w2"), call("a.put", "w3")))

    assert play.begun == ["start w1"]
    assert play.end("w1") == []
    assert play.became() == {"w1": "ok", "w2": "UPSTREAM_UNAVAILABLE", "w3": "CHAIN_HALTED"}


def test_on_error_stop_starts_nothing_more_and_cancels_the_reads_in_flight() -> None:
    calls = (call("a.get", "r1"), call("b.get", "r2"), call("b.put", "w"), call("a.get", "r3", depends_on=["r2"]))
    play = Play(plan_of(*calls, on_error="stop"))

    assert play.end("r2", NO) == ["cancel r1"]
    assert play.became() == {"r1": "CANCELLED", "r2": "TOOL_ERROR", "w": "CANCELLED", "r3": "CANCELLED"}
    assert play.message("w") == 'stopped because "r2" failed'
    assert {play.outcome(name).status for name in ("r1", "w", "r3")} == {"skipped"}


def test_on_error_stop_heeds_failures_that_are_known_before_anything_is_sent() -> None:
    play = Play(plan_of(call("a.get", "r", bad=1), call("b.put", "w"), call("b.get", "s"), on_error="stop"))

    assert play.begun == []
    assert play.became() == {"r": "INVALID_ARGUMENTS", "w": "CANCELLED", "s": "CANCELLED"}


def test_on_error_stop_is_blamed_on_the_failure_and_not_on_what_was_skipped_for_it() -> None:
    play = Play(plan_of(call("a.put", "w1"), call("a.put", "w2", bad=1), call("a.get", "r"), on_error="stop"))

    assert play.became() == {"w1": "CHAIN_HALTED", "w2": "INVALID_ARGUMENTS", "r": "CANCELLED"}
    assert play.message("r") == 'stopped because "w2" failed'


@pytest.mark.parametrize(
    ("event", "waiting", "reading", "status"),
    [
        (Expired(), "DEADLINE_EXCEEDED", "TOOL_TIMEOUT", "timeout"),
        (Cancelled(), "CANCELLED", "CANCELLED", "skipped"),
    ],
)
def test_a_batch_that_is_over_ends_its_reads_and_lets_a_write_in_flight_end(
    event: Expired | Cancelled, waiting: ErrorCode, reading: ErrorCode, status: str
) -> None:
    play = Play(plan_of(call("a.put", "w1"), call("b.get", "r"), call("a.put", "w2"), call("a.get", "s")))

    assert play.schedule.handle(event, 5) == [Cancel(1)]
    assert play.became() == {"r": reading, "w2": waiting, "s": waiting}
    assert [play.outcome(name).status for name in ("r", "w2", "s")] == [status, "skipped", "skipped"]
    assert not play.schedule.done
    assert play.schedule.handle(Cancelled() if isinstance(event, Expired) else Expired(), 6) == []
    assert play.schedule.over is not None
    assert play.schedule.over.code == waiting
    assert play.end("w1", LOST) == []
    assert play.became()["w1"] == "OUTCOME_UNKNOWN"
    assert play.schedule.done


@pytest.mark.parametrize(
    ("event", "code", "message"),
    [
        (
            Expired({(1, None): Queued(3, "a permit")}),
            "DEADLINE_EXCEEDED",
            "not sent: at the batch's timeout it waited for a permit; send it again, with a longer timeout_s",
        ),
        (Cancelled({(1, None): Queued(3, "a permit")}), "CANCELLED", "cancelled before it started"),
    ],
)
def test_a_read_that_has_not_gone_out_by_then_is_skipped_and_one_that_has_is_not_the_reason(
    event: Expired | Cancelled, code: ErrorCode, message: str
) -> None:
    play = Play(plan_of(call("a.get", "sent"), call("a.get", "waits"), call("b.get", "needs", depends_on=["waits"])))

    assert play.schedule.handle(event, 5) == [Cancel(0), Cancel(1)]
    assert play.outcome("waits") == Outcome(Failure("skipped", code, message), 5, None, 3)
    assert play.became()["needs"] == code


def test_a_read_that_had_to_wait_was_under_way_from_when_it_went_out() -> None:
    play = Play(plan_of(call("a.get", "r")))
    play.tell(Expired({(0, None): Queued(2)}), now=5)

    outcome = play.outcome("r")
    assert (outcome.status, outcome.started_at, outcome.queued_s, outcome.duration_s) == ("timeout", 2, 2, 3)


def test_what_comes_after_a_calls_end_changes_nothing() -> None:
    play = Play(plan_of(call("a.get", "r"), call("b.get", "s")))
    play.end("r", Answer(1))

    assert play.end("r", NO) == []
    assert play.became() == {"r": "ok"}
    assert play.schedule.handle(Cancelled(), 2) == [Cancel(1)]
    assert play.end("s") == []
    assert play.schedule.handle(Expired(), 3) == []
    assert play.became() == {"r": "ok", "s": "CANCELLED"}


def test_the_outcome_of_a_call_is_what_was_told_of_its_end() -> None:
    schedule = schedule_of(plan_of(call("a.get", "r")))
    schedule.begin(10)
    outcome = Outcome(Answer(1), 15, 12.0, 2.0)
    schedule.handle(Ended(0, outcome), 15)

    assert schedule.outcomes == (outcome,)
    assert outcome.duration_s == 3.0
    assert (schedule.ended, schedule.in_flight(0)) == (1, False)


def test_a_read_that_was_cut_short_took_from_its_start_to_the_end() -> None:
    play = Play(plan_of(call("a.get", "first"), call("b.get", "then", x=ref("first"))))
    play.end("first", now=2)
    play.tell(Expired(), now=5)

    assert (play.outcome("then").started_at, play.outcome("then").duration_s) == (2, 3)
