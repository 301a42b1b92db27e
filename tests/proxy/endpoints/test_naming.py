"""Names that models and clients take."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.proxy.endpoints.naming import argument_name, tool_name, unique


@pytest.mark.parametrize(
    ("name", "argument"),
    [("city", "city"), ("filter[on]", "filter_on"), ("$top", "top"), ("X-A.b", "X-A.b"), ("é", "value")],
)
def test_an_argument_is_called_as_its_parameter_where_that_can_be(name: str, argument: str) -> None:
    assert argument_name(name) == argument


@given(st.text())
def test_every_name_is_one_that_is_taken(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", argument_name(name))
    assert re.fullmatch(r"[A-Za-z0-9_-]+", tool_name(name))
    assert "__" not in tool_name(name)


def test_a_name_that_is_taken_says_where_it_stands_and_then_gets_a_number() -> None:
    assert unique("id", []) == "id"
    assert unique("id", ["id"], "query") == "id_query"
    assert unique("id", ["id", "id_query"], "query") == "id_query_2"
    assert unique("id", ["id", "id_2"]) == "id_3"


def test_a_name_stays_within_its_measure_whatever_it_needs_to_be_another() -> None:
    taken = ["n" * 64, "n" * 58 + "_query"]
    assert unique("n" * 70, taken, "query", 64) == "n" * 56 + "_query_2"
    assert unique("n" * 70, [], "query", 64) == "n" * 64
