"""Recipes within a batch: their calls in the place of the call of them, and one answer gathered from these."""

from typing import Any

import pytest
from tests.tools.building import call, ref
from tests.tools.recipes import FAILS, Run, plan_of, planned, problems_of

from headgate.tools.dry_run import dry_run
from headgate.tools.outcome import Failure
from headgate.tools.plan import Plan, writes_in
from headgate.tools.reply import reply_to


def test_a_recipes_calls_run_as_the_batchs_own_and_one_answer_comes_back() -> None:
    run = Run(plan_of(call("look", "ctx", key="A-17"), call("a.list", "mine")))

    assert run.sent == {"ctx.x": {"k": "A-17"}, "mine": {}}
    run.end("ctx.x", {"v": 7})
    assert run.sent["ctx.y"] == {"of": 7, "n": 3}
    run.end("mine", "m")
    run.end("ctx.y", "why")
    assert run.schedule.done
    assert run.results() == {"ctx": {"x": {"v": 7}, "y": "why"}, "mine": "m"}


def test_the_same_recipe_can_be_called_twice() -> None:
    run = Run(plan_of(call("look", "one", key="1"), call("look", "two", key="2")))

    assert run.sent == {"one.x": {"k": "1"}, "two.x": {"k": "2"}}


def test_what_a_recipe_is_given_by_a_reference_is_data_and_what_it_takes() -> None:
    run = Run(plan_of(call("a.list", "s"), call("look", "ctx", key=ref("s", "$.k"), n=4)))

    assert [*run.sent] == ["s"]
    run.end("s", {"k": "$from"})
    assert run.sent["ctx.x"] == {"k": "$from"}
    run.end("ctx.x", {"v": {"$from": "s", "path": "$"}})
    assert run.sent["ctx.y"] == {"of": {"$from": "s", "path": "$"}, "n": 4}


@pytest.mark.parametrize("first", ["s", "ctx"])
@pytest.mark.parametrize("value", [{"$from": "s", "path": "$"}, 5, None, ["A-17"]])
def test_a_reference_to_something_else_than_a_recipe_takes_fails_it_before_anything_is_sent(
    value: Any, first: str
) -> None:
    calls = [call("a.list", "s"), call("look", "ctx", key=ref("s", "$.k"))]
    run = Run(plan_of(*calls if first == "s" else calls[::-1]))
    run.end("s", {"k": value})

    assert run.schedule.done
    assert [*run.sent] == ["s"]
    code, message = run.results()["ctx"]
    assert code == "INVALID_ARGUMENTS"
    assert message.startswith("look does not take these arguments: key: ")


def test_a_recipe_whose_reference_finds_nothing_ends_as_any_call_would() -> None:
    run = Run(
        plan_of(call("a.list", "s"), call("look", "ctx", key=ref("s", "$.no")), call("look", "d", key=ref("ctx")))
    )
    run.end("s", {})

    assert run.results()["ctx"] == ("REFERENCE_NOT_FOUND", '"$.no" finds nothing in the data of "s"')
    assert run.results()["d"] == ("DEPENDENCY_FAILED", 'needs "ctx", which ended REFERENCE_NOT_FOUND')


def test_a_list_that_is_known_later_is_what_a_recipe_runs_for_each_of() -> None:
    run = Run(plan_of(call("a.list", "s"), call("each", "e", keys=ref("s", "$.keys"))))
    run.end("s", {"keys": ["p", {"$item": "$"}]})

    assert (run.sent["e.x[0]"], run.sent["e.x[1]"]) == ({"k": "p"}, {"k": {"$item": "$"}})
    run.end("e.x[0]", 1)
    run.end("e.x[1]", 2)
    assert run.results()["e"] == {"x": [1, 2]}


def test_other_calls_refer_to_what_a_recipe_gathered_and_wait_for_it() -> None:
    run = Run(
        plan_of(
            call("a.list", "first"),
            call("look", "ctx", key="k", depends_on=["first"]),
            call("b.list", "last", v=ref("ctx", "$.y.total")),
        )
    )
    assert [*run.sent] == ["first"]
    run.end("first")
    run.end("ctx.x", {"v": 1})
    assert "last" not in run.sent
    run.end("ctx.y", {"total": 9})
    assert run.sent["last"] == {"v": 9}


def test_a_batch_without_recipes_is_what_it_was() -> None:
    assert [step.call.id for step in plan_of(call("a.get", "x"), call("b.get", "y")).steps] == ["x", "y"]


def test_what_a_default_is_made_of_may_be_a_value_beside_what_is_known_later() -> None:
    run = Run(plan_of(call("a.list", "s"), call("two", "r", k=ref("s", "$.k"), key="K")))
    run.end("s", {"k": 1})
    run.end("r.x", {})

    assert run.sent["r.y"] == {"of": "K"}


def test_a_default_is_data_too_where_other_params_are_known_later() -> None:
    run = Run(plan_of(call("a.list", "s"), call("late", "r", key=ref("s", "$.k"))))
    run.end("s", {"k": 1})

    assert run.sent["r.w"] == {"k": {"$from": "s", "path": "$.no"}}


@pytest.mark.parametrize(("name", "retryable"), [("look", True), ("pay", False)])
def test_only_a_recipe_of_reads_may_be_sent_again(name: str, retryable: bool) -> None:  # noqa: FBT001
    plan = plan_of(call(name, "r", key="k"))
    run = Run(plan)
    run.end("r.x", Failure("timeout", "TOOL_TIMEOUT", "no answer in 1 s"))
    for left in [*run.flying]:
        run.end(left)

    (envelope,) = reply_to(plan, run.schedule.outcomes, "b", 1, 10_000).body["results"]
    assert envelope.get("retryable", False) is retryable


def test_the_writes_of_a_recipe_keep_their_place_among_all_others() -> None:
    run = Run(plan_of(call("b.put", "before"), call("pay", "p", key="k"), call("b.get", "after"), call("a.put", "w")))

    assert set(run.sent) == {"before", "p.x", "p.z"}
    run.end("p.x", {"v": 1})
    run.end("p.z")
    run.end("before")
    assert "p.w" in run.sent
    assert "after" not in run.sent
    run.end("p.w", FAILS)
    assert run.results()["w"] == ("CHAIN_HALTED", 'not sent: the write "p.w" did not end ok')
    assert "after" in run.sent


def test_a_reply_has_one_envelope_for_each_call_of_the_request() -> None:
    plan = plan_of(call("look", "ctx", key="k", select=["$.y"]), call("a.list", "mine"))
    run = Run(plan)
    run.end("mine", "m")
    run.end("ctx.x", {"v": 1})
    run.end("ctx.y", {"total": 9})
    body = reply_to(plan, run.schedule.outcomes, "b", 1, 10_000).body

    assert [(it["id"], it["tool"], it["class"], it["data"]) for it in body["results"]] == [
        ("ctx", "look", "read", {"$.y": {"total": 9}}),
        ("mine", "a__list", "read", "m"),
    ]
    assert (body["counts"], body["serial_ms"]) == ({"ok": 2}, 3000)
    assert body["summary"].startswith("2 of 2 ok")


def test_timeouts_and_groups_of_the_call_hold_for_its_parts() -> None:
    plan = plan_of(
        {**call("look", "ctx", key="k", timeout_s=2), "parallel_group": "g"}, groups={"g": {"concurrency": 1}}
    )

    assert [(step.call.timeout_s, step.call.parallel_group) for step in plan.steps[:2]] == [(2, "g"), (2, "g")]


def test_a_batch_of_reads_takes_recipes_of_reads_only() -> None:
    reads = plan_of(call("look", "ctx", key="k"), call("a.get", "x"))
    refusal = writes_in(plan_of(call("look", "ctx", key="k"), call("pay", "p", key="k")))

    assert writes_in(reads) is None
    assert refusal is not None
    (problem,) = refusal.problems
    assert (problem.code, problem.where) == ("NOT_A_READ", "calls[1]")
    assert problem.message == '"pay" is a write (its call "w" is a write): send it with batch_call'


@pytest.mark.parametrize(
    ("calls", "problems"),
    [
        ([call("look", "r", key="k"), call("look", "r", key="k")], [("DUPLICATE_ID", "calls[1].id")]),
        ([call("a.get", "x"), call("look", "r", key=ref("no"))], [("UNKNOWN_ID", "calls[1]")]),
        ([call("a.get", "x"), call("look", "r", key="k", depends_on=["no"])], [("UNKNOWN_ID", "calls[1]")]),
        ([call("a.get", "x", k=ref("r")), call("look", "r", key=ref("x"))], [("CYCLE", "calls[0]")]),
        ([{**call("look", "r", key="k"), "for_each": [1]}], [("NOT_SUPPORTED", "calls[0].for_each")]),
        ([call("look", "r", key={"$item": "$"})], [("BAD_REFERENCE", "calls[0].arguments.key")]),
        ([call("look", "r", key="k", select="$.[")], [("BAD_REFERENCE", "calls[0].select")]),
        (
            [call("a.get", "x"), call("look", "r", key=ref("x", default="k", speculate=True))],
            [("BAD_REFERENCE", "calls[1].arguments")],
        ),
        ([call("a.get", "x"), call("fall", "r", key=ref("x"))], [("NOT_SUPPORTED", "calls[1].arguments.key")]),
    ],
)
def test_what_is_wrong_is_told_with_the_place_in_the_request(calls: list[Any], problems: list[Any]) -> None:
    assert problems_of(*calls) == problems


def test_the_calls_of_recipes_count() -> None:
    calls = [call("look", "one", key="1"), call("pay", "two", key="2")]

    assert isinstance(planned(*calls, max_calls=5), Plan)
    assert problems_of(*calls, max_calls=4) == [("TOO_MANY_CALLS", "calls")]


def test_a_dry_run_shows_what_is_in_a_recipe() -> None:
    body = dry_run(plan_of(call("look", "ctx", key="k"), call("a.list", "mine")), "b", lambda _tool: 1.0).body

    assert body["stages"] == [["ctx.x", "mine"], ["ctx.y"], ["ctx"]]
    assert body["summary"] == "3 calls in 3 stages, 3 reads and 0 writes; nothing has run"
    assert (body["expected_ms"], body["expected_serial_ms"]) == (2000, 3000)
