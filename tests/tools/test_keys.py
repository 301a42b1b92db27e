"""What an idempotency key decides."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.tools.keys import KEPT_S, Entry, WriteState, fingerprint, is_over, judge, may_become

STATES: tuple[WriteState, ...] = ("intent", "ok", "failed", "unknown", "not_sent")
json_values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (None, "execute"),
        (Entry("f", "intent"), "busy"),
        (Entry("f", "ok", 10.0), "replay"),
        (Entry("f", "failed", 10.0), "replay"),
        (Entry("f", "unknown"), "replay"),
        (Entry("f", "not_sent", 10.0), "execute"),
        (Entry("g", "intent"), "other"),
        (Entry("g", "ok", 10.0), "other"),
        (Entry("g", "unknown"), "other"),
        (Entry("g", "not_sent", 10.0), "execute"),
    ],
)
def test_a_call_is_made_answered_from_the_record_or_refused(entry: Entry | None, expected: str) -> None:
    assert judge(entry, "f", 11.0) == expected


@given(st.sampled_from(STATES), st.floats(0, 2 * KEPT_S))
def test_a_key_is_free_again_a_day_after_the_outcome_and_never_while_there_is_none(
    state: WriteState, age: float
) -> None:
    ended_at = None if state in ("intent", "unknown") else 0.0
    entry = Entry("g", state, ended_at)

    assert is_over(entry, age) == (state in ("ok", "failed") and age >= KEPT_S)
    assert (judge(entry, "f", age) == "execute") == (state == "not_sent" or is_over(entry, age))


def test_what_is_settled_stays_so() -> None:
    moves = {(before, after) for before in STATES for after in STATES if may_become(before, after)}

    assert moves == {
        ("intent", "ok"),
        ("intent", "failed"),
        ("intent", "unknown"),
        ("intent", "not_sent"),
        ("unknown", "ok"),
        ("unknown", "failed"),
        ("unknown", "not_sent"),
    }


@given(st.dictionaries(st.text(), json_values, min_size=2))
def test_the_order_of_arguments_says_nothing(arguments: dict[str, object]) -> None:
    turned = dict(reversed(arguments.items()))

    assert fingerprint("up__pay", turned) == fingerprint("up__pay", arguments)


OTHERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, {"a": "1"}),
    ({"a": 1}, {"a": True}),
    ({"a": 1}, {"b": 1}),
    ({}, {"a": None}),
    ({"a": [1, 2]}, {"a": [2, 1]}),
    ({"a": {"b": 1}}, {"a": {"b": {}}}),
    ({"a": "b,c"}, {"a": ["b", "c"]}),
]


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_other_arguments_are_another_write(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert fingerprint("up__pay", one) != fingerprint("up__pay", other)


def test_the_same_arguments_of_another_tool_are_another_write() -> None:
    assert fingerprint("up__pay", {}) != fingerprint("up__refund", {})


def test_what_is_no_json_has_no_fingerprint() -> None:
    with pytest.raises(TypeError):
        fingerprint("up__pay", {"a": object()})


def test_half_a_surrogate_pair_has_one() -> None:
    assert len(fingerprint("up__pay", {"a": "\ud800"})) == 64
