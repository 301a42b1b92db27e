"""Which calls a prefetch rule makes out of the arguments of the call that it follows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.tools.prefetch import PrefetchCall, PrefetchRule, calls_ahead, faults_in

NAMES = st.text(max_size=5).filter(lambda name: name != "$arg")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def made(written: dict[str, Any], **arguments: Any) -> list[dict[str, Any]]:
    """The arguments of each call that a rule with these arguments makes."""
    rule = PrefetchRule("when", (PrefetchCall("then", written),))
    return [dict(call.arguments) for call in calls_ahead(rule, arguments)]


def arg(name: str) -> dict[str, str]:
    return {"$arg": name}


def test_an_argument_of_the_call_is_filled_in_wherever_it_is_named() -> None:
    written = {"id": arg("order"), "deep": [{"also": arg("order")}, 1], "fixed": "x"}

    assert made(written, order="A-17", other=2) == [{"id": "A-17", "deep": [{"also": "A-17"}, 1], "fixed": "x"}]


def test_a_call_that_needs_an_argument_that_is_not_there_is_left_out_and_the_others_are_made() -> None:
    rule = PrefetchRule("when", tuple(PrefetchCall(name, {"id": arg(name)}) for name in ("a", "b", "c")))

    assert [call.tool for call in calls_ahead(rule, {"a": 1, "c": None})] == ["a", "c"]


def test_a_null_is_an_argument_like_any_other() -> None:
    assert made({"id": arg("order")}, order=None) == [{"id": None}]


@given(JSON)
def test_what_is_filled_in_is_not_looked_at_again(value: object) -> None:
    looks_like_one = {"$arg": "other", "inner": value}

    assert made({"id": arg("order")}, order=looks_like_one) == [{"id": looks_like_one}]


@given(JSON)
def test_what_names_no_argument_is_passed_on_as_it_is(value: object) -> None:
    assert made({"x": value}) == [{"x": value}]


def test_what_came_ahead_is_kept_for_ten_seconds_where_nothing_is_said() -> None:
    assert PrefetchRule("when", ()).within_s == 10


def test_a_rule_stays_as_it_was() -> None:
    written: dict[str, Any] = {"id": arg("order")}
    made(written, order="A-17")

    assert written == {"id": {"$arg": "order"}}


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ({"id": {"$arg": 5}}, ("id",)),
        ({"id": {"$arg": ""}}, ("id",)),
        ({"id": {"$arg": "order", "default": 1}}, ("id",)),
        ({"a": [0, {"b": {"$from": "order"}}]}, ("a", 1, "b")),
        ({"a": {"$param": "order"}}, ("a",)),
        ({"$arg": ["a"]}, ()),
    ],
)
def test_what_is_no_such_reference_is_told_with_its_place(
    written: dict[str, Any], place: tuple[str | int, ...]
) -> None:
    assert [where for where, _ in faults_in(written)] == [place]


def test_what_is_as_it_should_be_has_no_faults() -> None:
    assert not [*faults_in({"id": arg("order"), "deep": [{"also": arg("x")}, {"$other": 1}, None]})]
