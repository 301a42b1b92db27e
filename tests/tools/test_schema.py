"""What schemas weigh, and which are unfit."""

from time import process_time
from typing import Any

import pytest
from hypothesis import given
from tests.tools.schemas import HOSTILE, doubling, hostile_schemas

from headgate.tools.schema import Weight, harm_in, weigh

FIT: dict[str, dict[str, Any]] = {
    "plain": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    "empty": {},
    "of a known dialect": {"$schema": "http://json-schema.org/draft-07/schema#"},
    "of an unknown dialect": {"$schema": "http://127.0.0.1:9/dialect"},
    "a tree": {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}},
    "shared": {"$defs": {"a": {"type": "string"}}, "properties": {name: {"$ref": "#/$defs/a"} for name in "abcdef"}},
    "points nowhere": {"$ref": "#/$defs/none"},
    "by an anchor": {"$defs": {"a": {"$anchor": "x"}}, "$ref": "#x"},
    "by its own name": {"$id": "https://a.example/order.json", "properties": {"next": {"$ref": "order.json"}}},
    "by the name of a part": {"$defs": {"a": {"$id": "https://a.example/a"}}, "$ref": "https://a.example/a#/x"},
    "a property called $ref": {"properties": {"$ref": {"type": "string"}}},
    "a value that looks like a reference": {"enum": [{"$ref": "http://a.example/"}], "default": {"$ref": "b.json"}},
    "catastrophic elsewhere": {"properties": {"a": {"pattern": "^(a+)+$"}}},
}


@pytest.mark.parametrize("why", FIT)
def test_what_servers_declare_is_fit(why: str) -> None:
    assert harm_in(FIT[why]) is None


@pytest.mark.parametrize("why", HOSTILE)
def test_what_could_do_harm_is_told(why: str) -> None:
    schema, told = HOSTILE[why]

    started = process_time()
    harm = harm_in(schema)

    assert harm is not None
    assert told in harm
    assert process_time() - started < 1.0


def test_a_reference_is_shown_short_and_printable() -> None:
    harm = harm_in({"$ref": "http://a.example/\x1b[31m" + "x" * 10_000})

    assert harm is not None
    assert "\x1b" not in harm
    assert len(harm) < 150


def test_a_part_weighs_as_often_as_it_is_referred_to() -> None:
    shared = {"$defs": {"a": {"type": "string"}}, "allOf": [{"$ref": "#/$defs/a"}] * 100}

    assert (found := weigh(shared)) is not None
    assert found.parts > 300


def test_names_of_properties_are_no_keywords() -> None:
    harmful = doubling(60)
    for name in ("default", "enum", "const", "$defs", "properties"):
        assert harm_in({"$defs": harmful["$defs"], "properties": {name: {"$ref": "#/$defs/d0"}}}) is not None


def test_ways_back_are_counted() -> None:
    def laps(schema: dict[str, Any]) -> int:
        found = weigh(schema)
        assert found is not None
        return found.laps

    assert laps({"properties": {"a": {"type": "string"}}}) == 0
    assert laps({"properties": {"a": {"$ref": "#"}}}) == 1
    assert laps({"anyOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}}}]}) == 2


def test_what_looks_at_characters_is_counted_and_patterns_are_gathered() -> None:
    schema: dict[str, Any] = {
        "properties": {"a": {"pattern": "x+", "format": "uri"}},
        "patternProperties": {"^b": {}, "^c": {}},
    }
    found = weigh(schema)

    assert isinstance(found, Weight)
    assert (found.texts, found.patterns) == (4, {"x+", "^b", "^c"})
    assert not found.collects


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#name"},
        {"$defs": {"a": {"$id": "a.json"}}, "$ref": "a.json"},
        {"$dynamicRef": "#node"},
    ],
)
def test_what_is_found_by_name_cannot_be_weighed(schema: dict[str, Any]) -> None:
    assert weigh(schema) is None


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")  # a failing example would be long to print
@given(hostile_schemas())
def test_any_schema_is_looked_at_in_a_moment(schema: dict[str, Any]) -> None:
    started = process_time()
    if harm_in(schema) is None:
        weigh(schema)

    assert process_time() - started < 1.0
