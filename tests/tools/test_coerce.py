"""The shapes that models send by mistake."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tools.building import problems_with

from headgate.tools.batch import Batch, Call, parse_batch

ARGUMENTS = {"order_id": "A-17"}
CALL: dict[str, Any] = {"tool": "orders.get", "arguments": ARGUMENTS}
MEANT = Batch((Call("orders.get", ARGUMENTS, "c1"),))
TEXT = json.dumps(ARGUMENTS)


@pytest.mark.parametrize(
    "raw",
    [
        {"calls": [CALL]},
        [CALL],
        CALL,
        {"calls": CALL},
        {"calls": [{**CALL, "id": None, "timeout_s": None, "depends_on": None}]},
        {"calls": [CALL], "on_error": None, "timeout_s": None, "dry_run": None, "groups": None},
        json.dumps({"calls": [CALL]}),
        json.dumps([CALL]),
        "  " + json.dumps(CALL),
        {"calls": json.dumps([CALL])},
        {"calls": json.dumps(CALL)},
        {"calls": [json.dumps(CALL)]},
        {"calls": [{"tool": "orders.get", "arguments": TEXT}]},
        json.dumps({"calls": json.dumps([json.dumps({"tool": "orders.get", "arguments": TEXT})])}),
        *([{"tool": "orders.get", alias: ARGUMENTS}] for alias in ("args", "params", "parameters", "input")),
        *([{"tool": "orders.get", alias: TEXT}] for alias in ("args", "params", "parameters", "input")),
        [{"name": "orders.get", "arguments": ARGUMENTS}],
        {"name": "orders.get", "args": ARGUMENTS},
        [{"name": "orders.get", **ARGUMENTS}],
        [{"tool": "orders.get", **ARGUMENTS}],
        {"tool": "orders.get", "order_id": "A-17"},
        [{"tool": "orders.get", "arguments": None, **ARGUMENTS}],
    ],
)
def test_every_shape_that_models_send_is_the_same_batch(raw: object) -> None:
    assert parse_batch(raw, max_calls=9) == MEANT


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ({"tool": "t"}, {}),
        ({"tool": "t", "arguments": None}, {}),
        ({"tool": "t", "name": "n"}, {"name": "n"}),
        ({"tool": "t", "input": "a text"}, {"input": "a text"}),
        ({"tool": "t", "params": [1]}, {"params": [1]}),
        ({"tool": "t", "x": None}, {"x": None}),
        ({"tool": "t", "x": '{"y": 1}'}, {"x": '{"y": 1}'}),
        ({"tool": "t", "arguments": {"x": '{"y": 1}'}}, {"x": '{"y": 1}'}),
    ],
)
def test_flat_arguments_are_taken_as_they_are(call: dict[str, Any], arguments: dict[str, Any]) -> None:
    batch = parse_batch([call], max_calls=9)

    assert isinstance(batch, Batch)
    assert batch.calls[0].tool == "t"
    assert batch.calls[0].arguments == arguments


def test_arguments_in_a_text_keep_their_digits() -> None:
    batch = parse_batch([{"tool": "t", "arguments": f'{{"x": {2**70 + 1}}}'}], max_calls=9)

    assert isinstance(batch, Batch)
    assert batch.calls[0].arguments == {"x": 2**70 + 1}


def test_among_flat_arguments_the_fields_of_a_call_are_its_own() -> None:
    call = {"tool": "t", "id": "a", "depends_on": [], "select": "$.y", "timeout_s": 1, "for_each": [1], "x": 1}
    batch = parse_batch([{**call, "parallel_group": "g", "idempotency_key": "k"}], max_calls=9)

    assert batch == Batch((Call("t", {"x": 1}, "a", (), "$.y", 1.0, [1], "g", "k"),))


@pytest.mark.parametrize("more", [{}, {"x": 1}])
def test_one_id_to_depend_on_needs_no_list(more: dict[str, Any]) -> None:
    batch = parse_batch([{"tool": "t", "id": "a"}, {"tool": "t", **(more or {"arguments": {}}), "depends_on": "a"}],
                        max_calls=9)  # fmt: skip

    assert isinstance(batch, Batch)
    assert batch.calls[1].depends_on == ("a",)


@pytest.mark.parametrize(
    ("call", "where"),
    [
        ({**CALL, "args": {}}, "calls[0].args"),
        ({**CALL, "order_id": 1}, "calls[0].order_id"),
        ({"tool": "t", "args": {}, "x": 1}, "calls[0].x"),
        ({"tool": "t", "args": {"x": 1}, "params": {"x": 2}}, "calls[0].params"),
        ({"tool": "t", "arguments": "not json"}, "calls[0].arguments"),
        ({"tool": "t", "arguments": '{"x": NaN}'}, "calls[0].arguments"),
        ({"tool": "t", "arguments": '{"x": 1e400}'}, "calls[0].arguments"),
        ({"tool": "t", "arguments": "[1]"}, "calls[0].arguments"),
        ("orders.get", "calls[0]"),
    ],
)
def test_what_could_mean_two_things_is_refused_by_name(call: object, where: str) -> None:
    assert problems_with({"calls": [call]}) == [("INVALID_REQUEST", where)]


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_what_was_handed_in_is_not_changed(fields: dict[str, Any]) -> None:
    given = [{"name": "t", **fields}]
    before = json.dumps(given)
    parse_batch(given, max_calls=9)

    assert json.dumps(given) == before
