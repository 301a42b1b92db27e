"""headgate's own tools, as a client sees them."""

import json
from collections.abc import Iterator
from typing import Any, cast

import jsonschema_rs
import pytest
from tests.tools.building import call, ref

from headgate.tools.batch import OWN_TOOLS
from headgate.tools.offer import INSTRUCTIONS, own_tools


def keys_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            yield key
            yield from keys_in(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from keys_in(inner)


def test_the_four_tools_are_offered_within_four_kilobytes() -> None:
    assert {tool["name"] for tool in own_tools()} == OWN_TOOLS
    assert len(json.dumps(own_tools(), ensure_ascii=False, separators=(",", ":")).encode()) <= 4096


def test_no_schema_holds_what_some_clients_drop_a_server_for() -> None:
    assert not {"oneOf", "anyOf", "allOf", "$ref", "outputSchema"} & set(keys_in(own_tools()))


def test_every_schema_is_one_of_an_object_and_only_batch_call_is_no_read() -> None:
    for tool in own_tools():
        jsonschema_rs.meta.validate(tool["inputSchema"])
        assert tool["inputSchema"]["type"] == "object"
        assert tool["annotations"]["readOnlyHint"] is (tool["name"] != "batch_call")
    hints = next(tool["annotations"] for tool in own_tools() if tool["name"] == "batch_call")
    assert hints == {"readOnlyHint": False, "destructiveHint": True, "openWorldHint": True}


def fields_in(schema: dict[str, Any]) -> dict[str, str | None]:
    """The type of each field, `*` behind those that must be there; the schema uses words of JSON Schema only."""
    assert schema.keys() <= {"type", "properties", "required"}
    fields: dict[str, str | None] = {}
    for name, field in cast("dict[str, dict[str, Any]]", schema["properties"]).items():
        assert field.keys() <= {"type", "description", "items", "enum"}
        assert isinstance(field.get("description", ""), str)
        kind = field.get("type")
        if "items" in field:
            kind = f"{kind} of {field['items']['type']}"
        fields[f"{name}*" if name in schema.get("required", ()) else name] = kind
    return fields


def test_the_schemas_name_each_field_and_its_type() -> None:
    tools = {tool["name"]: tool for tool in own_tools()}
    each = tools["batch_call"]["inputSchema"]["properties"]["calls"]["items"]

    assert fields_in(each) == {
        "id": "string", "tool*": "string", "arguments*": "object", "depends_on": "array of string", "for_each": None,
        "select": "array of string", "timeout_s": "number", "parallel_group": "string",
            "idempotency_key": "string",
    }  # fmt: skip
    assert fields_in(tools["batch_call"]["inputSchema"]) == {
        "calls*": "array of object", "on_error": "string", "groups": "object", "timeout_s": "number",
        "dry_run": "boolean",
    }  # fmt: skip
    assert fields_in(tools["batch_read"]["inputSchema"]) == {
        "calls*": "array of object", "on_error": "string", "timeout_s": "number",
    }  # fmt: skip
    assert fields_in(tools["find_tools"]["inputSchema"]) == {"query": "string", "limit": "integer"}
    assert fields_in(tools["get_result"]["inputSchema"]) == {
        "batch_id*": "string", "id": "string", "path": "string", "offset": "integer", "limit": "integer",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["batch_call", "batch_read"])
def test_a_batch_may_go_on_or_stop_at_an_error(name: str) -> None:
    (tool,) = [tool for tool in own_tools() if tool["name"] == name]

    assert tool["inputSchema"]["properties"]["on_error"]["enum"] == ["continue", "stop"]


def test_each_tool_has_the_parts_that_the_protocol_has_words_for() -> None:
    for tool in own_tools():
        assert tool.keys() == {"name", "title", "description", "inputSchema", "annotations"}


def test_the_schema_of_batch_call_takes_what_a_batch_may_hold() -> None:
    (schema,) = [tool["inputSchema"] for tool in own_tools() if tool["name"] == "batch_call"]
    calls = [call("a.get", "x", depends_on=["y"], select=[], timeout_s=2.5), call("b.get", k=ref("x", default=None))]

    assert jsonschema_rs.is_valid(schema, {"calls": calls, "on_error": "stop", "timeout_s": 30, "dry_run": True})
    assert not jsonschema_rs.is_valid(schema, {"calls": [{"arguments": {}}]})
    assert not jsonschema_rs.is_valid(schema, {})


def test_each_call_gives_a_schema_of_its_own() -> None:
    own_tools()[0]["inputSchema"]["properties"].clear()

    assert own_tools()[0]["inputSchema"]["properties"]


def test_the_instructions_are_short_and_name_the_tools_to_use() -> None:
    assert len(INSTRUCTIONS) < 1500
    assert "batch_call" in INSTRUCTIONS
    assert "$from" in INSTRUCTIONS
