"""The reply: one envelope for each call, in the order of the request, within the budget."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tools.building import call, plan_of

from headgate.tools.catalogue import Catalogue, Listing
from headgate.tools.outcome import Answer, ErrorCode, Failure, Outcome
from headgate.tools.plan import Plan, make_plan
from headgate.tools.refusal import Problem, Refusal
from headgate.tools.reply import Reply, refused, reply_to
from headgate.tools.rules import ToolRules, UpstreamRules

NO = Failure("error", "TOOL_ERROR", "it says no")


def ended(result: Answer | Failure, took: float = 1, queued_s: float = 0) -> Outcome:
    return Outcome(result, 10 + took, 10.0, queued_s)


def reply(plan: Plan, *outcomes: Outcome | None, duration_s: float = 2, limit: int = 80_000) -> Reply:
    made = reply_to(plan, outcomes, "b_7Q2MABCDEFGHIJKL", duration_s, limit)
    assert json.loads(made.text) == made.body
    assert [result["id"] for result in made.body["results"]] == [step.call.id for step in plan.steps]
    return made


def reads(count: int, **fields: Any) -> Plan:
    return plan_of(*(call("a.get", f"call{index}", **fields) for index in range(count)))


def test_a_whole_reply() -> None:
    plan = plan_of(call("a.get", "order"), call("b.get", "ship"))
    late = Failure("timeout", "TOOL_TIMEOUT", "no answer in 2.5 s")

    assert reply(plan, ended(Answer({"x": 1}), 0.812), ended(late, 2.5), duration_s=2.51).body == {
        "batch_id": "b_7Q2MABCDEFGHIJKL",
        "outcome": "partial",
        "summary": "1 of 2 ok in 2.51 s (one by one: 3.31 s). ship: TOOL_TIMEOUT",
        "counts": {"ok": 1, "timeout": 1},
        "duration_ms": 2510,
        "serial_ms": 3312,
        "results": [
            {"id": "order", "tool": "a__get", "class": "read", "status": "ok", "duration_ms": 812, "data": {"x": 1}},
            {
                "id": "ship", "tool": "b__get", "class": "read", "status": "timeout", "duration_ms": 2500,
                "error_code": "TOOL_TIMEOUT", "error": "no answer in 2.5 s", "retryable": True,
            },
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("outcomes", "word", "is_error"),
    [
        ([Answer(1), Answer(2)], "ok", False),
        ([Answer(1), NO], "partial", False),
        ([NO, NO], "failed", True),
        ([NO], "failed", True),
        ([None, Answer(1)], "pending", False),
        ([None, NO], "pending", False),
        ([None], "pending", False),
    ],
)
def test_the_outcome_is_in_one_word(outcomes: Sequence[Answer | Failure | None], word: str, is_error: bool) -> None:  # noqa: FBT001
    made = reply(reads(len(outcomes)), *(None if one is None else ended(one) for one in outcomes))

    assert (made.body["outcome"], made.is_error) == (word, is_error)
    assert sum(made.body["counts"].values()) == len(outcomes)


def test_fields_are_there_only_where_they_say_something() -> None:
    never = Outcome(Failure("skipped", "CHAIN_HALTED", "not sent"), 5)
    made = reply(reads(4), ended(Answer(None)), ended(Answer(1), 1, 0.25), never, None)

    assert [sorted(result.keys() - {"id", "tool", "class", "status"}) for result in made.body["results"]] == [
        ["data", "duration_ms"],
        ["data", "duration_ms", "queued_ms"],
        ["duration_ms", "error", "error_code", "retryable"],
        [],
    ]
    assert made.body["results"][0]["data"] is None
    assert made.body["results"][1]["queued_ms"] == 250
    assert made.body["results"][2]["duration_ms"] == 0
    waits = reply(reads(2), ended(Answer(1), 1, 0.005), ended(Answer(1), 1, 0.004)).body["results"]
    assert [result.get("queued_ms") for result in waits] == [5, None]


def test_a_call_that_another_answered_too_says_so() -> None:
    made = reply(reads(2), Outcome(Answer(1), 2, 1, coalesced=True), ended(Answer(1)))

    assert [result.get("coalesced") for result in made.body["results"]] == [True, None]


def test_a_call_over_items_tells_how_many_and_which_failed_with_null_for_their_data() -> None:
    fine, bad = ended(Answer("x")), ended(NO)
    well = Outcome(Answer(["x", "x"]), 2, 1, items=(fine, fine))
    ill = Outcome(Failure("error", "TOOL_ERROR", "1 of 2 items did not end ok"), 2, 1, items=(fine, bad))
    first, second = reply(reads(2), well, ill).body["results"]

    assert (first["data"], first["items"]) == (["x", "x"], {"count": 2})
    assert second["data"] == ["x", None]
    failed = {"id": "call1[1]", "status": "error", "error_code": "TOOL_ERROR", "error": "it says no"}
    assert second["items"] == {"count": 2, "failed": [failed]}


def test_an_ok_slot_costs_at_most_120_bytes_beyond_its_data() -> None:
    names = Catalogue([Listing("payments", UpstreamRules(), ({"name": "get_payment_details"},))])
    parsed = plan_of(call("payments__get_payment_details", "toolu_01A09q90qw90lq9178"))
    plan = make_plan(parsed.batch, names, lambda _tool, _arguments: None)
    assert isinstance(plan, Plan)
    one, two = reply(plan, ended(Answer("!" * 50), 12.345)), reply(plan, ended(Answer("!" * 51), 12.345))
    slot = len(json.dumps(one.body["results"][0], separators=(",", ":")))

    assert slot - 52 <= 120 + 24  # the id of a provider is longer than one that a model makes up
    assert one.text.count("!" * 50) == 1
    assert len(two.text) - len(one.text) == 1
    usual = reply(plan_of(call("a.get", "shipment")), ended(Answer(1), 12.345)).body["results"][0]
    assert len(json.dumps(usual, separators=(",", ":"))) - 1 + len("orders__get_shipment") - len("a__get") <= 120


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        ("TOOL_TIMEOUT", "get", True), ("UPSTREAM_UNAVAILABLE", "put", True), ("CHAIN_HALTED", "put", True),
        ("UPSTREAM_ERROR", "get", True), ("UPSTREAM_ERROR", "put", False), ("OUTCOME_UNKNOWN", "put", False),
        ("TOOL_ERROR", "get", False), ("INVALID_ARGUMENTS", "get", False), ("RESULT_TOO_LARGE", "get", False),
    ],
)  # fmt: skip
def test_only_what_may_be_sent_again_is_called_retryable(code: ErrorCode, kind: str, retryable: bool) -> None:  # noqa: FBT001
    made = reply(plan_of(call(f"a.{kind}")), ended(Failure("error", code, "no")))

    assert made.body["results"][0].get("retryable", False) is retryable


@pytest.mark.parametrize(
    ("kind", "key", "first", "retryable"),
    [
        ("put", None, Answer(1), False),
        ("put", "k", Answer(1), True),
        ("put", None, NO, True),
        ("get", None, Answer(1), True),
    ],
    ids=["a write that one item made", "under a key", "a write that none made", "a read"],
)
def test_what_a_list_has_applied_in_part_may_not_be_sent_again_without_a_key(
    kind: str, key: str | None, first: Answer | Failure, *, retryable: bool
) -> None:
    late = Failure("skipped", "DEADLINE_EXCEEDED", "not sent")
    keyed = {} if key is None else {"idempotency_key": key}
    items = (Outcome(first, 2, 1), Outcome(late, 2))
    made = reply(
        plan_of(call(f"a.{kind}", "each", for_each=[1, 2], x={"$item": "$"}) | keyed),
        Outcome(late, 2, 1, items=items),
    )

    assert made.body["results"][0].get("retryable", False) is retryable


def test_the_summary_names_the_first_failures_and_counts_the_rest() -> None:
    many = reply(reads(8), *[ended(NO)] * 7, None).body["summary"]

    assert "0 of 8 ok in 2.00 s (one by one: 7.00 s). call0: TOOL_ERROR" in many
    assert many.endswith("call4: TOOL_ERROR, and 2 more, 1 still running: get_result has them later")
    assert reply(reads(1), ended(Answer(1))).body["summary"] == "1 of 1 ok in 2.00 s (one by one: 1.00 s)"


def test_blocks_follow_the_text_and_content_points_at_them() -> None:
    a, b, c = ({"type": "image", "data": name} for name in "abc")
    made = reply(reads(3), ended(Answer("x", (a, b))), ended(Answer("y")), ended(Answer(None, (c,))))

    assert made.blocks == (a, b, c)
    assert [result.get("content") for result in made.body["results"]] == [[1, 2], None, [3]]


@pytest.mark.parametrize(
    ("select", "data"),
    [
        ("$.a", 1), ("a", 1), ("$.nope", None), ("$.b[*].c", [1, 2]), ([], None), (["$.a"], {"$.a": 1}),
        (["$.a", "$.b[0]"], {"$.a": 1, "$.b[0]": {"c": 1}}), ("$", {"a": 1, "b": [{"c": 1}, {"c": 2}]}),
    ],
)  # fmt: skip
def test_select_sends_only_the_parts_that_were_asked_for(select: str | list[str], data: Any) -> None:
    made = reply(reads(1, select=select), ended(Answer({"a": 1, "b": [{"c": 1}, {"c": 2}]})))

    assert made.body["results"][0]["data"] == data


def test_a_selection_that_would_cost_too_much_sends_the_data_instead() -> None:
    data = [[1] * 300] * 300

    assert (
        reply(reads(1, select="$" + "..*" * 3 + ".x"), ended(Answer(data)), limit=10**6).body["results"][0]["data"]
        == data
    )


def test_a_tools_own_limit_cuts_its_data_and_says_so() -> None:
    rules = UpstreamRules(tools={"get": ToolRules(result_limit=100)})
    plan = make_plan(reads(2).batch, Catalogue([Listing("a", rules, ({"name": "get"},))]), lambda _t, _a: None)
    assert isinstance(plan, Plan)
    long, short = reply(plan, ended(Answer("x" * 500)), ended(Answer("y" * 50))).body["results"]

    assert (long["data"], long["truncated"]) == ("x" * 98, {"bytes": 100, "of": 502})
    assert (short["data"], "truncated" in short) == ("y" * 50, False)
    again = reply(plan, ended(Answer("x" * 500)), ended(Answer("y" * 50)), limit=400).body["results"][0]
    assert again["truncated"]["of"] == 502
    assert again["truncated"]["bytes"] < 100


SMALL, MARGIN = 100, 64


@settings(max_examples=200)
@given(
    st.lists(st.integers(0, 3000) | st.integers(0, 40), min_size=1, max_size=30),
    st.integers(500, 20_000),
    st.data(),
)
def test_a_reply_keeps_within_its_budget_and_leaves_small_results_whole(
    sizes: list[int], spare: int, data: st.DataObject
) -> None:
    kinds = [data.draw(st.sampled_from(("text", "list", "object", "error"))) for _ in sizes]
    limit = spare + 260 * len(sizes)
    made = reply(reads(len(sizes)), *(ended(_of_size(kind, size)) for kind, size in zip(kinds, sizes, strict=True)),
                 limit=limit)  # fmt: skip
    results = made.body["results"]
    cut_short = [result for result in results if "truncated" in result]

    assert len(made.text.encode()) <= limit + MARGIN
    whole = [size for size, result in zip(sizes, results, strict=True) if result not in cut_short and "data" in result]
    smallest_cut = min((result["truncated"]["of"] for result in cut_short), default=10**9)
    assert all(size <= smallest_cut + MARGIN for size in whole)
    assert all(result["truncated"]["of"] > SMALL for result in cut_short)


def _of_size(kind: str, size: int) -> Answer | Failure:
    match kind:
        case "text":
            return Answer("x" * size)
        case "list":
            return Answer(["é"] * (size // 5))
        case "object":
            return Answer({"a": "\n" * (size // 2)})
        case _:
            return Failure("error", "TOOL_ERROR", "n" * min(size, 2000))


def test_even_a_reply_full_of_long_error_texts_keeps_within_its_budget() -> None:
    made = reply(reads(256), *[ended(Failure("error", "TOOL_ERROR", "n" * 2000))] * 256)

    assert len(made.text) <= 80_000


def test_a_reply_that_fits_is_not_touched() -> None:
    outcomes = [ended(Answer("x" * 5000)), ended(Answer("y"))]
    whole = reply(reads(2), *outcomes)

    assert "truncated" not in whole.text
    assert reply(reads(2), *outcomes, limit=len(whole.text)).text == whole.text
    assert "truncated" in reply(reads(2), *outcomes, limit=len(whole.text) - 1).text


def test_a_refusal_says_everything_that_is_wrong() -> None:
    made = refused(Refusal((Problem("CYCLE", "calls[0]", "a → a"), Problem("UNKNOWN_ID", "calls[1]", "who?"))), "b_1")

    assert json.loads(made.text) == made.body == {
        "batch_id": "b_1",
        "outcome": "refused",
        "summary": "refused, nothing ran: 2 problems. a → a",
        "problems": [
            {"code": "CYCLE", "where": "calls[0]", "message": "a → a"},
            {"code": "UNKNOWN_ID", "where": "calls[1]", "message": "who?"},
        ],
    }  # fmt: skip
    assert made.is_error
    assert ": 1 problem. " in refused(Refusal((Problem("CYCLE", "", "x"),)), "b").body["summary"]


def test_a_problem_is_told_in_so_many_characters_and_no_more() -> None:
    just, over = "x" * 1_000, "x" * 1_001
    (problem,) = refused(Refusal((Problem("INVALID_REQUEST", just, over),)), "b_1").body["problems"]

    assert (problem["where"], problem["message"]) == (just, f"{just}…")


def test_a_refusal_has_an_end_whatever_was_sent() -> None:
    made = refused(Refusal((Problem("INVALID_REQUEST", "w" * 10**6, "m" * 10**6),) * 10_000), "b_1")

    assert len(made.text) < 500_000
    assert "10000 problems" in made.body["summary"]
