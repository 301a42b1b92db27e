"""Recipes in which something fails: what is told of them, and what it does to the rest of the batch."""

import pytest
from tests.tools.building import call, ref
from tests.tools.recipes import FAILS, UNKNOWN, Run, plan_of

from headgate.tools.reply import reply_to
from headgate.tools.schedule import Cancelled, Expired


def test_a_failure_within_names_its_call_and_leaves_the_rest() -> None:
    plan = plan_of(call("look", "ctx", key="k"), call("b.list", "last", v=ref("ctx", "$.y")))
    run = Run(plan)
    run.end("ctx.x", {"v": 1})
    run.end("ctx.y", FAILS)

    assert run.results()["ctx"] == ("TOOL_ERROR", "y: no such order")
    assert run.results()["last"] == ("DEPENDENCY_FAILED", 'needs "ctx", which ended TOOL_ERROR')
    ctx, _ = reply_to(plan, run.schedule.outcomes, "b", 1, 10_000).body["results"]
    assert ctx["data"] == {"x": {"v": 1}, "y": None}


def test_the_first_cause_is_named_and_not_what_followed_from_it() -> None:
    run = Run(plan_of(call("look", "ctx", key="k")))
    run.end("ctx.x", FAILS)

    assert run.results() == {"ctx": ("TOOL_ERROR", "2 of 2 calls did not end ok; x: no such order")}


def test_a_write_that_may_have_been_applied_is_what_a_recipe_tells_first() -> None:
    plan = plan_of(call("pay", "p", key="k"))
    run = Run(plan)
    run.end("p.z", FAILS)
    run.end("p.x", {"v": 1})
    run.end("p.w", UNKNOWN)

    assert run.results() == {"p": ("OUTCOME_UNKNOWN", "2 of 3 calls did not end ok; w: no answer")}
    (envelope,) = reply_to(plan, run.schedule.outcomes, "b", 1, 10_000).body["results"]
    assert (envelope["status"], envelope["class"]) == ("unknown", "write")


def test_what_was_only_skipped_and_what_only_failed_are_told_after_a_write_that_may_have_been_applied() -> None:
    run = Run(plan_of(call("late", "r", key="k")))
    run.end("r.x", FAILS)
    run.end("r.w", UNKNOWN)

    assert run.results() == {"r": ("OUTCOME_UNKNOWN", "3 of 3 calls did not end ok; w: no answer")}


def test_what_was_only_skipped_is_told_after_what_failed() -> None:
    run = Run(plan_of(call("late", "r", key="k")))
    run.end("r.w")
    run.end("r.x", FAILS)

    assert run.results() == {"r": ("TOOL_ERROR", "2 of 3 calls did not end ok; x: no such order")}


def test_a_read_that_fails_in_a_recipe_with_a_write_ends_no_chain() -> None:
    run = Run(plan_of(call("pay", "p", key="k"), call("b.put", "w")))
    run.end("p.z", FAILS)
    run.end("p.x", {"v": 1})
    run.end("p.w")
    assert run.results()["p"][0] == "TOOL_ERROR"
    assert "w" in run.sent


@pytest.mark.parametrize("event", [Expired(), Cancelled()])
def test_a_recipe_with_a_write_in_flight_is_pending_when_the_batch_is_over(event: Expired | Cancelled) -> None:
    run = Run(plan_of(call("pay", "p", key="k")))
    run.end("p.x", {"v": 1})
    run.tell(event)

    assert [*run.flying] == ["p.w"]
    assert run.results() == {}
    run.end("p.w", "paid")
    assert run.schedule.done
    assert run.results()["p"][0] in ("TOOL_TIMEOUT", "CANCELLED")


def test_a_recipe_that_has_not_started_is_skipped_when_the_batch_is_over() -> None:
    run = Run(plan_of(call("a.list", "s"), call("look", "ctx", key=ref("s"))))
    run.tell(Expired())

    assert run.schedule.done
    assert run.results()["ctx"][0] == "DEADLINE_EXCEEDED"


def test_wrong_arguments_fail_the_recipe_alone() -> None:
    run = Run(plan_of(call("look", "ctx", key=5), call("a.list", "mine")))

    assert [*run.sent] == ["mine"]
    code, message = run.results()["ctx"]
    assert (code, message) == (
        "INVALID_ARGUMENTS",
        'look does not take these arguments: key: 5 is not of type "string"',
    )


def test_wrong_arguments_of_a_recipe_with_a_write_let_no_write_start() -> None:
    run = Run(plan_of(call("a.put", "w"), call("pay", "p", nope=1)))

    assert run.sent == {}
    assert run.results()["w"][0] == "CHAIN_HALTED"
    assert run.results()["p"][0] == "INVALID_ARGUMENTS"


def test_on_error_stop_holds_for_what_is_in_a_recipe() -> None:
    run = Run(plan_of(call("look", "ctx", key="k"), call("a.list", "mine"), on_error="stop"))
    run.end("ctx.x", FAILS)

    assert run.schedule.done
    assert run.results()["mine"] == ("CANCELLED", 'stopped because "ctx.x" failed')
    assert run.results()["ctx"][0] == "TOOL_ERROR"
