"""What calls touch."""

from typing import Any

import pytest
from tests.tools.building import CATALOGUE

from headgate.tools.catalogue import Tool
from headgate.tools.scope import Barriers, Scope, scope_of


def tool(name: str) -> Tool:
    found = CATALOGUE.find(name)
    assert isinstance(found, Tool)
    return found


@pytest.mark.parametrize(
    ("arguments", "scope"),
    [
        ({"k": "A-17"}, Scope("a", "r:A-17")),
        ({"k": 17}, Scope("a", "r:17")),
        ({"k": "17"}, Scope("a", "r:17")),
        ({}, Scope("a")),
        ({"k": None}, Scope("a")),
        ({"k": 1.5}, Scope("a")),
        ({"k": {"$from": "x"}}, Scope("a")),
        ({"k": "{k}"}, Scope("a", "r:{k}")),
    ],
)
def test_a_resource_is_named_by_arguments_and_widens_where_they_do_not_say(
    arguments: dict[str, Any], scope: Scope
) -> None:
    assert scope_of(tool("a.put"), arguments) == scope
    assert scope_of(tool("b.put"), arguments) == Scope("b")


def test_scopes_meet_in_one_upstream_unless_both_name_another_resource() -> None:
    assert Scope("a").meets(Scope("a"))
    assert Scope("a").meets(Scope("a", "r"))
    assert Scope("a", "r").meets(Scope("a"))
    assert Scope("a", "r").meets(Scope("a", "r"))
    assert not Scope("a", "r").meets(Scope("a", "s"))
    assert not Scope("a").meets(Scope("b"))


def test_a_read_waits_for_the_write_that_came_last_whatever_their_numbers() -> None:
    barriers = Barriers(chained=True)
    barriers.write(5, Scope("a"))
    barriers.write(0, Scope("a", "r"))

    assert barriers.read(7, Scope("a", "r")) == [0]
    assert barriers.read(8, Scope("a")) == [0]
    assert barriers.read(9, Scope("a", "s")) == [5]
    assert barriers.read(10, Scope("b")) == []


def test_a_write_waits_for_every_read_since_the_write_before() -> None:
    barriers = Barriers(chained=True)
    barriers.read(0, Scope("a", "r"))
    barriers.read(1, Scope("a", "s"))
    barriers.read(2, Scope("a"))

    assert sorted(barriers.write(3, Scope("a", "r"))) == [0, 2]
    assert sorted(barriers.write(4, Scope("a"))) == [1, 3]
    assert barriers.write(5, Scope("a")) == [4]


def test_writes_that_form_no_chain_wait_for_all_that_they_meet() -> None:
    barriers = Barriers(chained=False)
    barriers.read(0, Scope("a"))
    barriers.write(1, Scope("a", "r"))

    assert barriers.write(2, Scope("a", "s")) == [0]
    assert sorted(barriers.read(3, Scope("a"))) == [1, 2]
    assert sorted(barriers.write(4, Scope("a"))) == [0, 1, 2, 3]
