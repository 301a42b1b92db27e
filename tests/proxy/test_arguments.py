"""Arguments against schemas: messages that name the fault, and schemas that cannot do harm."""

import time
from typing import Any

import jsonschema_rs
import pytest
from tests.proxy.parts import tool

from headgate.proxy.arguments import ArgumentChecker

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


def doubling(depth: int, key: str = "allOf") -> dict[str, Any]:
    """A schema in which each definition refers to the next one twice."""
    definitions: dict[str, Any] = {
        f"d{level}": {key: [{"$ref": f"#/$defs/d{level + 1}"}, {"$ref": f"#/$defs/d{level + 1}"}]}
        for level in range(depth)
    }
    return {"$defs": {**definitions, f"d{depth}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def anchored(depth: int) -> dict[str, Any]:
    """The same by anchors."""
    definitions: dict[str, Any] = {
        f"d{level}": {"$anchor": f"d{level}", "allOf": [{"$ref": f"#d{level + 1}"}, {"$ref": f"#d{level + 1}"}]}
        for level in range(depth)
    }
    return {"$defs": {**definitions, "last": {"$anchor": f"d{depth}", "type": "object"}}, "$ref": "#d0"}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"not": schema}
    return schema


HOSTILE = {
    "points to the web": {"properties": {"x": {"$ref": "http://127.0.0.1:9/schema.json"}}},
    "points to a file": {"properties": {"x": {"$ref": "file:///etc/passwd"}}},
    "declares an unknown dialect": {"$schema": "http://127.0.0.1:9/dialect"},
    "names no type": {"type": "objekt"},
    "needs a backtracking engine": {"properties": {"x": {"type": "string", "pattern": "^(?=a)b"}}},
    "has an enormous pattern": {"properties": {"x": {"type": "string", "pattern": "(a{1000}){1000}"}}},
    "doubles sixty times": doubling(60),
    "doubles sixty times by anyOf": doubling(60, "anyOf"),
    "doubles under a property called definitions": {
        "$defs": doubling(60)["$defs"],
        "properties": {"definitions": {"$ref": "#/$defs/d0"}},
    },
    "doubles by anchors": anchored(60),
    "is nested too deeply": nested(5_000),
    "points nowhere": {"$ref": "#/$defs/none"},
}


@pytest.mark.parametrize("why", HOSTILE)
def test_a_schema_that_is_no_good_judges_nothing_and_takes_no_time(why: str) -> None:
    started = time.perf_counter()

    assert check(HOSTILE[why], {"x": 1, "definitions": {}}) is None

    assert time.perf_counter() - started < 0.1


def test_a_pattern_that_would_take_others_for_ever_is_judged_in_no_time() -> None:
    schema = {"properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}}
    started = time.perf_counter()

    assert check(schema, {"x": "a" * 10_000 + "!"}) is not None
    assert check(schema, {"x": "a" * 10_000}) is None

    assert time.perf_counter() - started < 0.1


def test_a_schema_that_refers_to_itself_still_judges() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}, "name": {"type": "string"}}}

    assert check(tree, {"name": "a", "child": {"name": "b", "child": {"name": "c"}}}) is None
    assert "child.child.name" in (check(tree, {"child": {"child": {"name": 1}}}) or "")


def test_a_property_may_be_called_like_a_keyword() -> None:
    schema = {"properties": {"$ref": {"type": "string"}, "$defs": {"type": "integer"}}}

    assert check(schema, {"$ref": "x", "$defs": 1}) is None


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
