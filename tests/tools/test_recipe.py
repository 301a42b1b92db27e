"""Recipes: what they ask for, what they become, and that what fills them is data."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tools.building import CATALOGUE, batch_of, call, listing, ref

from headgate.tools.batch import Batch, Call
from headgate.tools.catalogue import Catalogue
from headgate.tools.outcome import Answer, Outcome
from headgate.tools.plan import Plan, make_plan
from headgate.tools.recipe import Recipe, as_tool, defaults, expand, input_schema
from headgate.tools.refusal import Refusal
from headgate.tools.schedule import Ended, Schedule, Start

PARAMS: dict[str, dict[str, Any]] = {"key": {"type": "string"}, "days": {"type": "integer", "default": 30}}


def param(name: str) -> dict[str, Any]:
    return {"$param": name}


def recipe(*calls: dict[str, Any], **params: Mapping[str, Any]) -> Recipe:
    return Recipe("look", "Looks", params, batch_of(*calls).calls)


def plan_of(calls: tuple[Call, ...]) -> Plan:
    plan = make_plan(Batch(calls), CATALOGUE, lambda _tool, _arguments: None)
    assert isinstance(plan, Plan), plan
    return plan


def sent(calls: tuple[Call, ...], **data: Any) -> dict[str, Any]:
    """What each call goes out with, where each gives back what `data` says, or nothing."""
    plan = plan_of(calls)
    schedule = Schedule(plan, lambda _tool, _arguments: None)
    gone: dict[str, Any] = {}
    commands = schedule.begin(0)
    while commands:
        command = commands.pop(0)
        assert isinstance(command, Start)
        identity = plan.steps[command.index].call.id
        name = identity if command.item is None else f"{identity}[{command.item}]"
        gone[name] = command.arguments
        outcome = Outcome(Answer(data.get(identity)), 0, 0.0)
        commands += schedule.handle(Ended(command.index, outcome, command.item), 0)
    assert schedule.done
    return gone


def test_a_recipe_asks_for_its_params_and_for_nothing_else() -> None:
    assert input_schema(recipe(call("a.get"), **PARAMS)) == {
        "type": "object",
        "properties": {"key": {"type": "string"}, "days": {"type": "integer", "default": 30}},
        "required": ["key"],
        "additionalProperties": False,
    }
    assert input_schema(recipe(call("a.get"))) == {"type": "object", "properties": {}, "additionalProperties": False}


def test_a_param_with_a_default_need_not_be_given() -> None:
    assert defaults(recipe(call("a.get"), **PARAMS)) == {"days": 30}


@pytest.mark.parametrize("value", ["A-17", 5, None, True, 1.5, [], {}, [1, {"a": [2]}], {"a": {"b": "c"}}])
def test_a_param_stands_wherever_it_is_written(value: Any) -> None:
    looks = recipe(call("a.get", "x", k=param("key"), deep={"in": [1, param("key")]}), key={})

    assert sent(expand(looks, {"key": value})) == {"x": {"k": value, "deep": {"in": [1, value]}}}


def test_a_param_fills_a_slot_of_a_text() -> None:
    looks = recipe(call("a.get", "x", k={"$format": "order {id}", "id": param("key")}), key={})

    assert sent(expand(looks, {"key": "{id}"})) == {"x": {"k": "order {id}"}}
    assert sent(expand(looks, {"key": {"$from": "x"}})) == {"x": {"k": 'order {"$from":"x"}'}}


def test_a_param_is_the_default_of_a_reference() -> None:
    looks = recipe(call("a.get", "x"), call("b.get", "y", k=ref("x", "$.no", default=[param("key")])), key={})

    assert sent(expand(looks, {"key": {"$from": "x"}})) == {"x": {}, "y": {"k": [{"$from": "x"}]}}


def test_a_list_param_is_what_a_call_runs_for_each_of() -> None:
    each = {**call("a.get", "x", k={"$item": "$"}), "for_each": param("keys")}

    assert sent(expand(recipe(each, keys={}), {"keys": ["p", {"$from": "x"}, {"$item": "$"}]})) == {
        "x[0]": {"k": "p"},
        "x[1]": {"k": {"$from": "x"}},
        "x[2]": {"k": {"$item": "$"}},
    }


def test_ids_can_be_set_apart_from_those_of_others() -> None:
    looks = recipe(
        call("a.get", "x"),
        call("b.get", "y", depends_on=["x"], k=ref("x", "$.k"), t={"$format": "{v}", "v": ref("x", "$.k")}),
        {**call("a.get", "z", k={"$item": "$"}), "for_each": ref("x", "$.list")},
    )
    calls = expand(looks, {}, "ctx.")

    assert [(it.id, it.depends_on) for it in calls] == [("ctx.x", ()), ("ctx.y", ("ctx.x",)), ("ctx.z", ())]
    gone = sent(calls, **{"ctx.x": {"k": 7, "list": [1]}})
    assert gone == {"ctx.x": {}, "ctx.y": {"k": 7, "t": "7"}, "ctx.z[0]": {"k": 1}}


def test_the_recipe_itself_stays_as_it_is_written() -> None:
    looks = recipe(call("a.get", "x", k=param("key")), key={})
    expand(looks, {"key": "one"}, "p.")

    assert sent(expand(looks, {"key": "two"})) == {"x": {"k": "two"}}


@pytest.mark.parametrize(
    ("tools", "kind", "reason"),
    [
        (("a__get", "b.list"), "read", "each of its calls is a read"),
        (("a__get", "b__put"), "write", 'its call "c2" is a write'),
        (("a__nope",), "write", 'its call "c1" is of a tool that is not known'),
        (("down__get",), "write", 'its call "c1" is of a tool that is not known'),
    ],
)
def test_a_recipe_is_a_read_where_all_its_calls_are(tools: tuple[str, ...], kind: str, reason: str) -> None:
    tool = as_tool(recipe(*map(call, tools)), CATALOGUE)

    assert (tool.kind, tool.reason) == (kind, reason)
    hints = {"readOnlyHint": True} if kind == "read" else {"readOnlyHint": False, "destructiveHint": True}
    assert tool.definition["annotations"] == hints
    assert (tool.qualified, tool.upstream, tool.description) == ("look", "", "Looks")


def test_a_recipe_becomes_a_read_when_its_tools_do() -> None:
    looks = recipe(call("late__get"))

    assert as_tool(looks, Catalogue()).kind == "write"
    assert as_tool(looks, Catalogue([listing("late", reads="get")])).kind == "read"


def test_what_is_nested_too_deeply_is_refused_as_in_any_batch() -> None:
    deep: Any = []
    for _ in range(70):
        deep = [deep]
    calls = expand(recipe(call("a.get", "x", k=param("key")), key={}), {"key": deep})
    refusal = make_plan(Batch(calls), CATALOGUE, lambda _tool, _arguments: None)

    assert isinstance(refusal, Refusal)
    assert [problem.code for problem in refusal.problems] == ["TOO_DEEP"]


MARKS = st.sampled_from(["$from", "$format", "$item", "$param", "path", "default", "speculate", "x", "other"])
TEXTS = st.sampled_from(["x", "other", "key", "$", "$.a", "{x}", "${HOME}", "a__put", "$from"]) | st.text(max_size=5)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MARKS | TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(DATA, st.lists(DATA, max_size=3))
def test_whatever_a_param_is_given_arrives_as_it_is(value: Any, items: list[Any]) -> None:
    looks = recipe(
        call("a.get", "x", k=param("key")),
        call("b.get", "other", plain=param("key"), mixed=[ref("x", "$.secret"), {"in": param("key")}]),
        {**call("b.list", "each", k={"$item": "$"}, too=param("key")), "for_each": param("items")},
        key={},
        items={},
    )
    gone = sent(expand(looks, {"key": value, "items": items}), x={"secret": "S"})

    assert gone["x"] == {"k": value}
    assert gone["other"] == {"plain": value, "mixed": ["S", {"in": value}]}
    assert [gone[f"each[{place}]"] for place in range(len(items))] == [{"k": it, "too": value} for it in items]
    assert len(gone) == 2 + len(items)


@given(DATA, DATA)
def test_what_a_param_is_given_moves_no_edge_of_the_graph(value: Any, other: Any) -> None:
    looks = recipe(call("a.get", "x", k=param("key")), call("b.get", "y", k=param("key"), of=ref("x", "$.a")), key={})
    first, second = (plan_of(expand(looks, {"key": given})) for given in (value, other))

    assert [(step.needs, step.after) for step in first.steps] == [(step.needs, step.after) for step in second.steps]
