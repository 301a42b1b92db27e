"""Arguments against schemas: messages that name the fault, and schemas that cannot do harm."""

import time
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from tests.proxy.parts import tool
from tests.tools.schemas import HOSTILE, hostile_arguments, hostile_schemas

from headgate.proxy.arguments import ArgumentChecker
from headgate.tools.rules import ToolRules

LIMIT_S = 1.0
"""CPU seconds. The aim is 0.1; a machine may be slow, and its garbage be collected meanwhile."""

ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "lines": {"type": "array", "items": {"type": "integer"}}},
    "required": ["order_id"],
    "additionalProperties": False,
}


def check(schema: dict[str, Any], arguments: dict[str, Any]) -> str | None:
    return ArgumentChecker().check(tool("get_order", schema=schema, upstream="orders"), arguments)


def test_what_fits_is_passed() -> None:
    assert check(ORDER, {"order_id": "A-17", "lines": [1, 2]}) is None


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, '"order_id" is a required property'),
        ({"order_id": 17}, "order_id: 17 is not of type"),
        ({"order_id": "A", "lines": [1, "x"]}, "lines[1]: "),
        ({"order_id": "A", "colour": "red"}, "colour"),
    ],
)
def test_a_message_names_the_tool_and_the_fault(arguments: dict[str, Any], named: str) -> None:
    message = check(ORDER, arguments)
    assert message is not None
    assert message.startswith("orders__get_order does not take these arguments: ")
    assert named in message


def test_a_message_names_three_faults_at_most_and_stays_short() -> None:
    message = check(ORDER, {"order_id": 1, "lines": ["a", "b", "c", "d"]})
    assert message is not None
    assert message.count(" is not of type") == 3

    for arguments in ({"a": "x" * 1_000_000}, {"order_id": ["x" * 1_000_000]}):
        message = check({**ORDER, "maxProperties": 0, "additionalProperties": True}, arguments)
        assert message is not None
        assert len(message) < 1_000


def anchored(depth: int) -> dict[str, Any]:
    """Definitions that each name the next one twice, by anchors."""
    definitions: dict[str, Any] = {
        f"d{level}": {"$anchor": f"d{level}", "allOf": [{"$ref": f"#d{level + 1}"}, {"$ref": f"#d{level + 1}"}]}
        for level in range(depth)
    }
    return {"$defs": {**definitions, "last": {"$anchor": f"d{depth}", "type": "object"}}, "$ref": "#d0"}


NO_GOOD: dict[str, dict[str, Any]] = {
    "declares an unknown dialect": {"$schema": "http://127.0.0.1:9/dialect"},
    "names no type": {"type": "objekt"},
    "needs a backtracking engine": {"properties": {"x": {"type": "string", "pattern": "^(?=a)b"}}},
    "has an enormous pattern": {"properties": {"x": {"type": "string", "pattern": "(a{1000}){1000}"}}},
    "has a thousand patterns": {"patternProperties": {f"^([a-z]{{90}}){{9}}{number}$": {} for number in range(1000)}},
    "has a pattern of a megabyte": {"properties": {"x": {"pattern": "|".join(f"word{n}" for n in range(100_000))}}},
    "doubles by anchors": anchored(60),
    "points nowhere": {"$ref": "#/$defs/none"},
    **{why: schema for why, (schema, _) in HOSTILE.items()},
}


@pytest.mark.parametrize("why", NO_GOOD)
def test_a_schema_that_is_no_good_judges_nothing_and_takes_no_time(why: str) -> None:
    started = time.process_time()

    assert check(NO_GOOD[why], {"x": 1, "definitions": {}}) is None

    assert time.process_time() - started < LIMIT_S


def test_a_pattern_that_would_take_others_for_ever_is_judged_in_no_time() -> None:
    schema = {"properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}}
    started = time.process_time()

    assert check(schema, {"x": "a" * 10_000 + "!"}) is not None
    assert check(schema, {"x": "a" * 10_000}) is None

    assert time.process_time() - started < LIMIT_S


def items(**schema: Any) -> dict[str, Any]:
    return {"properties": {"x": {"items": schema}}}


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


ALTERNATIVES = [{"type": "string", "minLength": number} for number in range(1000)]
AGAIN = {"properties": {"a": {"$ref": "#"}}}
COSTLY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "each fault holds a copy of what was given": (
        {"required": [f"k{n}" for n in range(5_000)]},
        {"x": "x" * 1_000_000},
    ),
    "each alternative holds one": ({"properties": {"x": {"anyOf": ALTERNATIVES}}}, {"x": ["x" * 1_000_000]}),
    "each item fails each alternative": (items(anyOf=ALTERNATIVES), {"x": [*range(600)]}),
    "alternatives refer to themselves": (
        {"oneOf": [{**AGAIN, "required": ["b"]}, {**AGAIN, "maxProperties": 0}]},
        deep(20),
    ),
    "objects are compared with objects": (items(enum=[{"v": n} for n in range(1000)]), {"x": [{"v": 999}] * 10_000}),
    "a pattern of a thousand states": (items(pattern="(a|aa|aaa){45}{45}$"), {"x": ["a" * 20_000]}),
    "many patterns over a long text": (
        {"allOf": [items(pattern=f"(a{{30}}){{30}}{n}") for n in range(50)]},
        {"x": ["a" * 50_000]},
    ),
    "patterns over many names": (
        {"patternProperties": {f"^(a|b){n}\\w{{10}}": {} for n in range(100)}},
        {f"a{n}" * 10: 1 for n in range(5_000)},
    ),
    "a format over a megabyte": (
        {"$schema": "http://json-schema.org/draft-07/schema#", "allOf": [items(format="uri")] * 500},
        {"x": ["a" * 1_000_000]},
    ),
}


@pytest.mark.parametrize("why", COSTLY)
def test_arguments_that_would_take_long_are_left_to_the_upstream_or_refused_without_detail(why: str) -> None:
    started = time.process_time()

    check(*COSTLY[why])

    assert time.process_time() - started < LIMIT_S


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")  # a failing example would be long to print
@given(hostile_schemas(), hostile_arguments())
def test_no_schema_and_no_arguments_crash_or_stall(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    started = time.process_time()

    check(schema, arguments)

    assert time.process_time() - started < LIMIT_S


def test_judging_by_one_schema_takes_a_small_part_of_all_time_however_often_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_ns = [0]
    monkeypatch.setattr("headgate.proxy.arguments.monotonic_ns", lambda: now_ns[0])
    slow = {"properties": {"a": {"items": {"allOf": [{"not": {"const": number}} for number in range(3_000)]}}}}
    one, judged = tool("slow", schema={"type": "object", **slow}), ArgumentChecker()
    arguments = {"a": [*range(10_000, 10_200), 5]}

    began = time.process_time()
    told = [judged.check(one, arguments) for _ in range(100)]
    assert time.process_time() - began < LIMIT_S
    assert "a[200]" in (told[0] or "")
    assert told[-1] is None

    assert judged.check(tool("get_order", schema=ORDER), {"order_id": 17}) is not None
    now_ns[0] = 60_000_000_000
    assert judged.check(one, arguments) is not None


def test_what_cannot_be_told_in_detail_is_still_refused() -> None:
    schema, arguments = COSTLY["alternatives refer to themselves"]

    assert (
        check(schema, arguments) == "orders__get_order does not take these arguments: they do not fit its input schema"
    )


def test_of_arguments_that_are_large_the_first_fault_is_told() -> None:
    message = check({"type": "object", **items(type="integer")}, {"x": ["a"] * 50_000})

    assert message == 'orders__get_order does not take these arguments: x[0]: "a" is not of type "integer"'


def test_what_nobody_could_send_is_left_to_the_upstream() -> None:
    for odd in ("\ud800", 10**5_000, {"\ud800": 1}):
        assert (
            check({"type": "object", "properties": {"x": {"type": "boolean"}, "y": {}}}, {"y": odd, "x": True}) is None
        )


def test_an_operator_can_have_arguments_left_unchecked() -> None:
    unchecked = tool("get_order", schema=ORDER, rules=ToolRules(check_arguments=False))

    assert ArgumentChecker().check(unchecked, {"order_id": 17}) is None


def test_a_schema_that_refers_to_itself_still_judges() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}, "name": {"type": "string"}}}

    assert check(tree, {"name": "a", "child": {"name": "b", "child": {"name": "c"}}}) is None
    assert "child.child.name" in (check(tree, {"child": {"child": {"name": 1}}}) or "")


def test_a_property_may_be_called_like_a_keyword() -> None:
    schema = {"properties": {"$ref": {"type": "string"}, "$defs": {"type": "integer"}}}

    assert check(schema, {"$ref": "x", "$defs": 1}) is None


@pytest.mark.parametrize("draft", ["draft-04/schema#", "draft-07/schema#", "draft/2020-12/schema"])
@pytest.mark.parametrize(
    ("form", "value"),
    [("uri", "https://de.example/wiki/Köln"), ("date-time", "2026-11-20 10:00"), ("email", "ü@x.example")],
)
def test_whether_a_value_has_its_format_is_for_the_server_to_say(draft: str, form: str, value: str) -> None:
    schema = {
        "$schema": f"http{'s' if '/20' in draft else ''}://json-schema.org/{draft}",
        "type": "object",
        "properties": {"value": {"type": "string", "format": form}},
    }
    assert check(schema, {"value": value}) is None
    assert check(schema, {"value": 5}) is not None


def test_references_with_escapes_and_into_lists_are_followed() -> None:
    schema = {"$defs": {"a/b": {"allOf": [{"type": "string"}]}}, "properties": {"x": {"$ref": "#/$defs/a~1b/allOf/0"}}}

    assert check(schema, {"x": 1}) is not None
    assert check(schema, {"x": "1"}) is None


def test_a_schema_is_compiled_once_for_as_long_as_the_definition_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []
    real = jsonschema_rs.validator_for

    def counting(schema: Any, **options: Any) -> Any:
        compiled.append(schema)
        return real(schema, **options)

    monkeypatch.setattr(jsonschema_rs, "validator_for", counting)
    checker = ArgumentChecker()
    first = tool(schema=ORDER)
    for _ in range(100):
        checker.check(first, {"order_id": "A"})
    assert len(compiled) == 1

    changed = tool(schema={"type": "object", "required": ["other"]})
    assert checker.check(changed, {}) is not None
    assert checker.check(changed, {}) is not None
    assert len(compiled) == 2


LOOSE: dict[str, Any] = {
    **ORDER,
    "properties": {**ORDER["properties"], "at": {"type": "object", "required": ["x"], "minProperties": 2}},
    "minProperties": 2,
    "if": {"properties": {"order_id": {"const": None}}},
    "then": {"required": ["lines"]},
}


@pytest.mark.parametrize(
    ("arguments", "unknown", "fault"),
    [
        ({"order_id": None}, {("order_id",)}, None),
        ({"order_id": None, "lines": [None, "x"]}, {("order_id",), ("lines", 0)}, "lines[1]: "),
        ({"order_id": None, "colour": None}, {("order_id",), ("colour",)}, "'colour' was unexpected"),
        ({"lines": None}, {("lines",)}, '"order_id" is a required property'),
        ({"order_id": None, "at": {"y": None}}, {("order_id",), ("at", "y")}, 'at: "x" is a required property'),
        ({"order_id": None, "at": None}, {("order_id",), ("at",)}, None),
        ({"order_id": 5, "at": None}, {("at",)}, 'order_id: 5 is not of type "string"'),
    ],
)
def test_of_what_is_not_known_yet_only_what_cannot_come_right_is_told(
    arguments: dict[str, Any], unknown: set[Any], fault: str | None
) -> None:
    message = ArgumentChecker().check_known(tool("get_order", schema=LOOSE, upstream="orders"), arguments, unknown)
    found = "" if message is None else message.removeprefix("orders__get_order does not take these arguments: ")
    assert found.count(";") == 0
    assert (fault or "") in found
    assert bool(found) is (fault is not None)
