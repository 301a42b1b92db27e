"""Schemas of both versions as JSON Schema."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.proxy.endpoints.openapi.document import Version
from headgate.proxy.endpoints.openapi.references import References
from headgate.proxy.endpoints.openapi.schemas import MAX_PARTS, Schemas


def made(schema: Any, version: Version = "3.1", **components: Any) -> Any:
    schemas = Schemas(References({"components": {"schemas": components}}), version)
    found = schemas.made(schema)
    return {**found, "$defs": schemas.definitions} if schemas.definitions else found


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"type": "string", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        (
            {"nullable": True, "allOf": [{"type": "string"}]},
            {"anyOf": [{"allOf": [{"type": "string"}]}, {"type": "null"}]},
        ),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 1, "exclusiveMaximum": False}, {"maximum": 1}),
        ({"type": "object", "example": {"a": 1}, "xml": {}, "x-y": 1}, {"type": "object"}),
        (
            {"type": "array", "items": {"type": "integer", "nullable": True}},
            {"type": "array", "items": {"type": ["integer", "null"]}},
        ),
    ],
)
def test_the_dialect_of_3_0_becomes_json_schema(old: Any, new: Any) -> None:
    assert made(old, "3.0") == new


def test_what_stands_beside_a_reference_counts_since_3_1() -> None:
    schema = {**ref("s"), "description": "d"}

    assert made(schema, "3.0", s={"type": "string"}) == {"type": "string"}
    assert made(schema, "3.1", s={"type": "string"}) == {"type": "string", "description": "d"}
    assert made({**ref("s"), "minLength": 1}, s={"type": "string"}) == {"allOf": [{"type": "string"}], "minLength": 1}


def test_a_schema_that_refers_to_itself_is_defined_once() -> None:
    tree = {"type": "object", "properties": {"left": ref("tree"), "right": ref("tree")}}

    assert made(ref("tree"), tree=tree) == {
        "$ref": "#/$defs/tree",
        "$defs": {
            "tree": {
                "type": "object",
                "properties": {"left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}},
            }
        },
    }


def test_what_only_answers_hold_is_no_argument() -> None:
    schema = {
        "properties": {"id": {"type": "integer", "readOnly": True}, "name": {"type": "string"}},
        "required": ["id", "name"],
    }

    assert made(schema) == {"properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.mark.parametrize(
    "schema", [ref("no"), {"$ref": "http://127.0.0.1:9/x"}, {"$dynamicRef": "#x"}, "text", None, 5]
)
def test_what_cannot_be_read_admits_everything(schema: Any) -> None:
    assert made(schema) == {}


def test_a_schema_has_an_end() -> None:
    deep: dict[str, Any] = {"type": "integer"}
    for _ in range(500):
        deep = {"type": "array", "items": deep}
    wide: dict[str, Any] = {
        f"s{level}": {"allOf": [ref(f"s{level + 1}")] * 9, "title": "x" * 600} for level in range(30)
    }

    assert jsonschema_rs.validator_for(made(deep)).is_valid([])
    assert len(str(made(ref("s0"), **wide))) < MAX_PARTS * 100


KEYS = st.sampled_from([
    "type", "items", "properties", "allOf", "required", "nullable", "enum", "$ref", "exclusiveMinimum", "minimum",
    "readOnly", "additionalProperties", "x-a", "$defs", "a",
])  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["string", "#/components/schemas/s", "http://x", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@given(ANYTHING, ANYTHING, st.sampled_from(["3.0", "3.1"]))
@example({"required": [[]], "properties": {}}, None, "3.0")
def test_no_schema_makes_it_fail(schema: Any, component: Any, version: Version) -> None:
    assert isinstance(made(schema, version, s=component), dict | bool)
