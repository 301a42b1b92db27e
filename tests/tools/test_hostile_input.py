"""Whatever a model or an upstream hands over: a value comes back, soon, and data stays data."""

import json
from collections.abc import Callable
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tools.building import CATALOGUE, problems_with, ref, takes_anything

from headgate.tools.batch import Batch, parse_batch
from headgate.tools.coerce import CALL_FIELDS
from headgate.tools.fill import Filling, Unresolved, fill
from headgate.tools.outcome import Answer, Failure
from headgate.tools.plan import Plan, make_plan
from headgate.tools.reference import Template, scan
from headgate.tools.refusal import Refusal
from headgate.tools.reply import refused
from headgate.tools.result import read_result

LIMIT_S = 0.1
WORDS = (
    *sorted(CALL_FIELDS),
    "calls",
    "args",
    "name",
    "$from",
    "$format",
    "path",
    "default",
    "speculate",
    "x",
    "$item",
)
TEXTS = st.sampled_from(("a.get", "c1", "c2", "$.x", "{x}", "$[", "[]", "{}", '[{"tool": "a.get"}]', "__proto__", ""))
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.text(max_size=5)
JSON = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=25,
)
ANYTHING = JSON | st.builds(json.dumps, JSON) | st.fixed_dictionaries({"calls": st.lists(JSON, max_size=4)})


def deep(levels: int, inner: Any = 1) -> Any:
    for _ in range(levels):
        inner = {"x": inner}
    return inner


def soon(do: Callable[[], Any]) -> Any:
    """What `do` gives, within the limit; on a busy machine, at one of three tries."""
    for _ in range(3):
        started = process_time()
        result = do()
        if process_time() - started < LIMIT_S:
            return result
    pytest.fail(f"three times longer than {LIMIT_S} s")


@given(ANYTHING)
def test_any_json_is_a_batch_or_is_refused(raw: Any) -> None:
    batch = soon(lambda: parse_batch(raw, max_calls=3))
    if isinstance(batch, Batch):
        plan = soon(lambda: make_plan(batch, CATALOGUE, takes_anything))
        assert isinstance(plan, Plan | Refusal)
        assert isinstance(plan, Plan) or plan.problems
    else:
        assert batch.problems
        assert json.loads(refused(batch, "b_1").text)


REFERENCE = st.dictionaries(
    st.sampled_from(("$from", "$format", "$item", "path", "default", "x")), LEAF | st.lists(LEAF)
)
CALL: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"tool": st.sampled_from(("a.get", "b.put", "a.gte")), "arguments": st.dictionaries(st.just("x"), REFERENCE)},
    optional={"for_each": REFERENCE | st.lists(REFERENCE | LEAF, max_size=2)},
)


@given(st.lists(CALL, min_size=1, max_size=3))
def test_whatever_stands_in_the_place_of_a_reference_the_batch_is_planned_or_refused(calls: list[Any]) -> None:
    batch = parse_batch(calls, max_calls=3)
    assert isinstance(batch, Batch)
    assert isinstance(make_plan(batch, CATALOGUE, takes_anything), Plan | Refusal)


@given(st.dictionaries(st.sampled_from(WORDS), JSON, max_size=5), st.dictionaries(st.sampled_from(("c1", "c2")), JSON))
def test_any_arguments_are_scanned_and_any_template_is_filled_or_says_why_not(
    arguments: dict[str, Any], data: dict[str, Any]
) -> None:
    template, problems = soon(lambda: scan(arguments, "a"))
    if template is not None and not problems:
        assert isinstance(soon(lambda: fill(template, Filling(data))), dict | Unresolved)


@given(st.dictionaries(st.sampled_from(("content", "structuredContent", "isError", "resultType")), JSON))
def test_any_answer_is_read(result: dict[str, Any]) -> None:
    assert isinstance(soon(lambda: read_result(result)), Answer | Failure)


@given(JSON)
def test_what_is_filled_in_is_never_looked_at_again(data: Any) -> None:
    arguments = {
        "a": ref("r"),
        "b": [{"c": ref("r", "$.x[0]", default=data)}],
        "d": {"$format": "{x}", "x": ref("r", "$.t")},
    }
    template, problems = scan(arguments, "a")
    assert (problems, isinstance(template, Template)) == ((), True)
    assert template is not None
    evil = {"x": [data], "t": "{x} {$from} {{x}}"}

    assert repr(fill(template, Filling({"r": evil, "c1": "!", "c2": "!"}))) == repr(
        {"a": evil, "b": [{"c": data}], "d": evil["t"]}
    )


@pytest.mark.parametrize("value", ['{"$from": "r"}', "${HOME}", "{x}", {"$from": "secret"}, {"$format": "{a}", "a": 1}, [ref("r")]])  # fmt: skip # noqa: E501
def test_an_answer_that_looks_like_a_reference_is_inserted_as_it_is(value: Any) -> None:
    template, _ = scan({"x": ref("r", "$.v")}, "a")
    assert template is not None

    assert fill(template, Filling({"r": {"v": value}, "secret": "!"})) == {"x": value}


@pytest.mark.parametrize("place", ["arguments", "default", "text", "calls", "select"])
def test_two_hundred_thousand_levels_are_refused_at_once(place: str) -> None:
    levels = 200_000
    match place:
        case "arguments":
            raw: Any = [{"tool": "a.get", "arguments": deep(levels)}]
        case "default":
            raw = [{"tool": "a.get"}, {"tool": "a.get", "arguments": {"x": ref("c1", default=deep(levels))}}]
        case "text":
            raw = "[" * levels
        case "calls":
            raw = {"calls": deep(levels)}
        case _:
            raw = [{"tool": "a.get", "arguments": {}, "select": deep(levels)}]
    batch = soon(lambda: parse_batch(raw, max_calls=5))
    answer = soon(lambda: make_plan(batch, CATALOGUE, takes_anything)) if isinstance(batch, Batch) else batch

    assert isinstance(answer, Refusal)
    assert len(soon(lambda: refused(answer, "b_1")).text) < 5_000


@pytest.mark.parametrize(
    "raw",
    [
        [{"tool": "a.get", "id": "x" * 10_000}],
        [{"tool": "a.get", "x" * 10_000: 1, "arguments": {}}],
        [{"tool": "x" * 10_000}],
        [{"tool": "a.get", "depends_on": ["x" * 10_000]}],
        [{"tool": "a.get", "arguments": {"x": {"$from": "x" * 1_000_000}}}],
        [{"tool": "a.get", "arguments": {"x" * 100_000: {"$from": 5}}}],
    ],
)
def test_a_refusal_does_not_repeat_what_is_endless(raw: Any) -> None:
    batch = parse_batch(raw, max_calls=5)
    answer = make_plan(batch, CATALOGUE, takes_anything) if isinstance(batch, Batch) else batch

    assert isinstance(answer, Refusal)
    assert len(refused(answer, "b_1").text) < 5_000


def test_ten_thousand_calls_are_refused_at_once() -> None:
    one: dict[str, Any] = {"tool": "a.get", "arguments": {}}
    raw = [one] * 10_000

    assert soon(lambda: problems_with(raw, max_calls=256)) == [("TOO_MANY_CALLS", "calls")]


def test_a_hundred_thousand_references_are_refused_at_once() -> None:
    many = {"x": [ref("c1", f"$.x{index}[") for index in range(100_000)]}

    assert [problem.code for problem in soon(lambda: scan(many, "a"))[1]] == ["TOO_LARGE"]


def test_a_reference_bomb_ends_at_the_first_call_that_it_would_be_too_large_for() -> None:
    data: dict[str, Any] = {"c0": ["x" * 10] * 10}
    for level in range(1, 11):
        template, _ = scan({"x": [ref(f"c{level - 1}")] * 10}, "a")
        assert template is not None
        answer = soon(lambda template=template: fill(template, Filling(data)))
        if isinstance(answer, Unresolved):
            assert level >= 3
            return
        data[f"c{level}"] = answer["x"]
    pytest.fail("ten levels of ten were filled in")


@pytest.mark.parametrize("name", ["__proto__", "constructor", "__class__", "__init__", "None"])
def test_names_that_mean_something_elsewhere_mean_nothing_here(name: str) -> None:
    batch = parse_batch(
        [{"tool": name, "id": name, "arguments": {name: {"$from": name, "path": f"$['{name}']"}}}], max_calls=5
    )
    assert isinstance(batch, Batch)
    plan = make_plan(batch, CATALOGUE, takes_anything)

    assert isinstance(plan, Refusal)
    assert [problem.code for problem in plan.problems] == ["CYCLE"]
