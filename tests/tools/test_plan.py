"""What each call of a batch waits for, and what is wrong with a batch as a whole."""

from typing import Any

import pytest
from tests.tools.building import CATALOGUE, batch_of, call, plan_of, ref, refusal_of, refuses_bad, takes_anything

from headgate.tools.batch import OWN_TOOLS
from headgate.tools.catalogue import Catalogue
from headgate.tools.outcome import Failure
from headgate.tools.plan import Plan, Serialize, make_plan, writes_in
from headgate.tools.refusal import Refusal


def waits(*calls: dict[str, Any], serialize: Serialize = "batch") -> list[tuple[int, ...]]:
    """What each call waits for, whichever way."""
    plan = plan_of(*calls, serialize=serialize)
    return [tuple(sorted((*step.needs, *step.after))) for step in plan.steps]


def test_references_and_depends_on_are_needed_and_a_default_only_waits() -> None:
    plan = plan_of(
        call("a.get", "one"),
        call("a.get", "two"),
        call("b.get", "three", depends_on=["one"], x=ref("two"), y=[{"z": ref("two", "$.z", default=1)}]),
        call("b.get", "four", x=ref("one", default=1), y={"$format": "{x}", "x": ref("two", default=1)}),
    )

    assert (plan.steps[2].needs, plan.steps[2].after) == ((0, 1), ())
    assert (plan.steps[3].needs, plan.steps[3].after) == ((), (0, 1))


def test_writes_wait_for_the_write_before_them() -> None:
    calls = (call("a.put"), call("b.put"), call("a.del"), call("b.del"))

    assert waits(*calls) == [(), (0,), (0, 1), (1, 2)]
    assert waits(*calls, serialize="upstream") == [(), (), (0,), (1,)]


def test_only_writes_of_tools_declared_idempotent_run_side_by_side_by_resource() -> None:
    idempotent = (call("a.put", k="1"), call("a.put", k="2"), call("a.put", k="1"))
    others = (call("a.put", k="1"), call("a.del", k="2"), call("a.put", k="2"))

    assert waits(*idempotent, serialize="resource") == [(), (), (0,)]
    assert waits(*others, serialize="resource") == [(), (0,), (1,)]


def test_reads_and_writes_wait_for_each_other_within_one_scope_only() -> None:
    assert waits(call("b.get"), call("b.put"), call("b.get"), call("a.get")) == [(), (0,), (1,), ()]
    assert waits(call("a.put", k="1"), call("a.get", k="2"), call("a.get", k="1"), call("a.list")) == [
        (),
        (),
        (0,),
        (0,),
    ]


def test_a_resource_that_is_named_by_a_reference_may_be_any() -> None:
    calls = (call("b.get", "r"), call("a.put", "w", k="1"), call("a.get", "s", k=ref("r", "$.k")))

    assert waits(*calls)[2] == (0, 1)


def test_a_call_may_wait_for_one_listed_later_and_then_stands_behind_it() -> None:
    plan = plan_of(call("a.put", "w1", x=ref("r")), call("a.put", "w2"), call("a.get", "r"), call("a.get", "s"))

    assert plan.order == (1, 2, 0, 3)
    assert [step.needs + step.after for step in plan.steps] == [(2, 1), (), (1,), (0,)]
    assert plan.stages() == ((1,), (2,), (0,), (3,))


def test_where_nothing_else_is_said_reads_run_at_once_and_all_writes_in_one_chain() -> None:
    plan = make_plan(batch_of(call("a.get"), call("b.get"), call("a.put"), call("b.put")), CATALOGUE, takes_anything)

    assert isinstance(plan, Plan)
    assert [step.after for step in plan.steps] == [(), (), (0,), (1, 2)]


def test_one_by_one_each_call_waits_for_the_one_before_it() -> None:
    plan = plan_of(call("a.get", "x", y=ref("z")), call("b.get"), call("a.get", "z"), one_by_one=True)

    assert plan.order == (1, 2, 0)
    assert [(step.needs, step.after) for step in plan.steps] == [((2,), ()), ((), ()), ((), (1,))]


def test_everything_that_is_wrong_with_a_batch_is_said_at_once() -> None:
    problems = refusal_of(
        call("a.get", "x"),
        call("a.get", "x"),
        call("a.get", "one", depends_on=["nobody"]),
        call("a.get", "two", v=ref("who"), w=ref("x", "$["), d={"$format": "{a}"}),
        call("batch_call", "three"),
        call("a.get", "four", select=["$.a", "$..["]),
        call("a.get", "five", v=ref("six")),
        call("a.get", "six", depends_on=["five"]),
    )

    assert sorted(problems) == [
        ("BAD_REFERENCE", "calls[3].arguments.d"),
        ("BAD_REFERENCE", "calls[3].arguments.w.path"),
        ("BAD_REFERENCE", "calls[5].select"),
        ("CYCLE", "calls[6]"),
        ("DUPLICATE_ID", "calls[1].id"),
        ("NESTED_BATCH", "calls[4].tool"),
        ("UNKNOWN_ID", "calls[2]"),
        ("UNKNOWN_ID", "calls[3]"),
    ]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"x": ref("c1", "$[")}, "arguments.x.path"),
        ({"x": {"$from": ["c1"]}}, "arguments.x"),
        ({"x": {"$format": 5}}, "arguments.x.$format"),
        ({"x": {"$format": "{y}"}}, "arguments.x"),
        ({"x": {"$item": "$["}, "for_each": [1]}, "arguments.x.path"),
        ({"x": {"$item": ["$"]}, "for_each": [1]}, "arguments.x"),
        ({"x": {"$item": "$", "default": 1}, "for_each": [1]}, "arguments.x"),
        ({"for_each": [1, ref("c1", "$[")]}, "for_each[1].path"),
        ({"for_each": [{"$format": "{y}"}]}, "for_each[0]"),
        ({"for_each": [{"$item": "$"}]}, "for_each[0]"),
    ],
)
def test_the_one_bad_reference_of_a_call_is_refused_at_its_place(fields: dict[str, Any], where: str) -> None:
    assert refusal_of(call("a.get", **fields)) == [("BAD_REFERENCE", f"calls[0].{where}")]


@pytest.mark.parametrize(
    ("calls", "cycle"),
    [
        ([call("a.get", "a", x=ref("a"))], "a → a"),
        ([call("a.get", "a", depends_on=["a"])], "a → a"),
        ([call("a.get", "a", x=ref("b")), call("a.get", "b", x=ref("a", default=1))], "a → b → a"),
        (
            [call("a.get", "z"), call("a.get", "a", x=ref("b")), call("a.get", "b", x=ref("c")),
             call("a.get", "c", depends_on=["a"])],
            "a → b → c → a",
        ),
    ],
)  # fmt: skip
def test_a_cycle_is_refused_by_name(calls: list[dict[str, object]], cycle: str) -> None:
    refusal = make_plan(batch_of(*calls), CATALOGUE, takes_anything)

    assert isinstance(refusal, Refusal)
    (problem,) = refusal.problems
    assert (problem.code, problem.message) == ("CYCLE", f"these calls wait for each other: {cycle}")


def test_the_order_of_writes_cannot_make_a_cycle() -> None:
    plan = plan_of(call("a.put", "w1", x=ref("w2")), call("a.put", "w2"), call("a.get", "r"))

    assert plan.order == (1, 0, 2)


def test_a_cap_for_a_group_that_no_call_is_in_is_refused() -> None:
    groups = {"g": {"concurrency": 1}, "h": {"concurrency": 1}}
    refusal = make_plan(batch_of({**call("a.get"), "parallel_group": "g"}, groups=groups), CATALOGUE, takes_anything)

    assert isinstance(refusal, Refusal)
    assert [(it.code, it.where, it.message) for it in refusal.problems] == [
        ("INVALID_REQUEST", "groups.h", 'no call has the parallel_group "h"')
    ]


@pytest.mark.parametrize("tool", sorted(OWN_TOOLS))
def test_headgates_own_tools_are_no_part_of_a_batch(tool: str) -> None:
    assert refusal_of(call(tool)) == [("NESTED_BATCH", "calls[0].tool")]


def test_unknown_tools_and_invalid_arguments_fail_their_call_alone() -> None:
    plan = plan_of(call("a.gte"), call("a.get", bad=1), call("a.get"), call("down.get"), call("a.get", bad=ref("c3")))
    faults = [step.fault and step.fault.code for step in plan.steps]

    assert faults == ["UNKNOWN_TOOL", "INVALID_ARGUMENTS", None, "UPSTREAM_UNAVAILABLE", None]
    assert plan.steps[1].fault == Failure("error", "INVALID_ARGUMENTS", "a__get takes no bad")
    assert [step.kind for step in plan.steps] == ["write", "read", "read", "write", "read"]
    assert plan.steps[0].fault == Failure(
        "error", "UNKNOWN_TOOL", 'upstream "a" has no tool "gte"; did you mean "get"?'
    )
    assert (plan.steps[0].upstream, plan.steps[2].upstream) == ("", "a")


def test_a_batch_of_reads_refuses_writes_and_whatever_may_be_one() -> None:
    assert writes_in(plan_of(call("a.get"), call("b.get", bad=1))) is None
    refusal = writes_in(plan_of(call("a.get"), call("a.put"), call("x.y"), call("down.get")))

    assert refusal is not None
    assert [(it.code, it.where) for it in refusal.problems] == [
        ("NOT_A_READ", "calls[1]"), ("NOT_A_READ", "calls[2]"), ("NOT_A_READ", "calls[3]"),
    ]  # fmt: skip
    assert "a__put" in refusal.problems[0].message
    assert "batch_call" in refusal.problems[0].message
    assert 'no tool is called "x.y"' in refusal.problems[1].message
    assert refusal.problems[2].message == 'upstream "down" is not available: connection refused'


def test_an_upstream_that_is_down_has_a_write_chain_of_its_own() -> None:
    calls = (call("nowhere.x"), call("down.put"), call("down.put"), call("a.put"))

    assert waits(*calls, serialize="upstream") == [(), (), (1,), ()]
    assert waits(*calls) == [(), (0,), (1,), (2,)]


def test_a_plan_over_an_empty_catalogue_says_that_every_tool_is_unknown() -> None:
    plan = make_plan(batch_of(call("x"), call("y")), Catalogue(), refuses_bad)

    assert not isinstance(plan, Refusal)
    assert all(step.fault is not None and step.fault.code == "UNKNOWN_TOOL" for step in plan.steps)
