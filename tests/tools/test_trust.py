"""Pins of definitions, and what speaks against one."""

from time import process_time
from typing import Any

import pytest

from headgate.tools.trust import changed, harm_of, pin_of

TOOL: dict[str, Any] = {
    "name": "look",
    "title": "Look",
    "description": "Look something up",
    "inputSchema": {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}},
    "outputSchema": {"type": "object"},
    "annotations": {"readOnlyHint": True},
}


def sha(definition: dict[str, Any]) -> str:
    return pin_of(definition, "read").sha256


def test_a_pin_is_the_same_for_what_is_the_same() -> None:
    other_order = {
        **dict(reversed(TOOL.items())),
        "inputSchema": {"properties": {"b": {}, "a": {"type": "string"}}, "type": "object"},
    }

    assert sha(TOOL) == sha(other_order)
    assert sha(TOOL) == sha({**TOOL, "_meta": {"seen": 1}, "icons": []})


@pytest.mark.parametrize("key", ["name", "title", "description", "inputSchema", "outputSchema", "annotations"])
def test_each_part_that_a_model_or_a_person_goes_by_is_pinned(key: str) -> None:
    assert sha(TOOL) != sha({name: value for name, value in TOOL.items() if name != key})
    assert sha(TOOL) != sha({**TOOL, key: "other"})


def test_a_change_that_nobody_can_see_is_a_change() -> None:
    assert sha(TOOL) != sha({**TOOL, "description": "Look something up\u200b"})


def test_a_pin_holds_what_there_was_to_go_by() -> None:
    pin = pin_of({**TOOL, "_meta": {}}, "write")

    assert (pin.kind, pin.definition) == ("write", TOOL)


def test_definitions_that_no_wire_carries_are_pinned_too() -> None:
    assert sha({"name": "x", "description": "\ud800", "annotations": {"a": {1, 2}, "b": 10**400}})


def test_500_definitions_are_pinned_in_a_moment() -> None:
    schema = {f"p{number}": {"type": "string", "description": "x" * 80} for number in range(15)}
    definitions = [{**TOOL, "name": f"t{n}", "inputSchema": {"properties": schema}} for n in range(500)]

    started = process_time()
    for definition in definitions:
        sha(definition)

    assert process_time() - started < 0.2  # the aim is 20 ms, and this machine may be busy


def test_a_definition_that_is_nested_too_deeply_is_unfit_wherever_it_is() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}

    assert "nested" in (harm_of({**TOOL, "inputSchema": deep}) or "")
    assert "nested" in (harm_of({**TOOL, "annotations": deep}) or "")
    assert harm_of(TOOL) is None
    assert harm_of({"name": "x", "inputSchema": True}) is None


def test_what_changed_is_a_write_or_out_of_use() -> None:
    flagged, strict = changed("flag", "headgate.lock"), changed("strict", "headgate.lock")

    assert (flagged.doubts, flagged.denies) == (True, False)
    assert (strict.doubts, strict.denies) == (True, True)
    assert "headgate trust" in strict.advice
    assert "headgate trust" not in changed("flag", None).advice
