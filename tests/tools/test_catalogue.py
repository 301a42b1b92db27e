"""Every tool that can be called right now, by any of its names."""

from time import process_time
from typing import Any

import pytest
from tests.tools.building import CATALOGUE, listing

from headgate.tools.catalogue import Catalogue, Listing, NotFound, Tool
from headgate.tools.rules import UpstreamRules


def found(catalogue: Catalogue, name: str) -> str:
    tool = catalogue.find(name)
    return f"{tool.upstream}/{tool.name}" if isinstance(tool, Tool) else tool.code


@pytest.mark.parametrize("name", ["orders__get_order", "orders.get_order", "get_order"])
def test_a_tool_is_found_by_each_of_its_names(name: str) -> None:
    catalogue = Catalogue([listing("orders", "get_order list"), listing("payments", "list")])

    assert found(catalogue, name) == "orders/get_order"


def test_a_bare_name_that_several_have_is_refused_with_their_full_names() -> None:
    missing = Catalogue([listing("a", "list"), listing("b", "list")]).find("list")

    assert isinstance(missing, NotFound)
    assert missing.code == "UNKNOWN_TOOL"
    assert "a__list, b__list" in missing.message


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("a.gett", 'upstream "a" has no tool "gett"; did you mean "get"?'),
        ("a__putt", 'upstream "a" has no tool "putt"; did you mean "put"?'),
        ("a__lst", 'did you mean "list"?'),
        ("b__list_", 'did you mean "list"?'),
        ("zzzzzz", 'no tool is called "zzzzzz"; find_tools searches the tools by words'),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(name: str, hint: str) -> None:
    missing = CATALOGUE.find(name)

    assert isinstance(missing, NotFound)
    assert missing.code == "UNKNOWN_TOOL"
    assert hint in missing.message


def test_the_nearest_name_is_sought_among_those_that_begin_most_alike() -> None:
    missing = Catalogue([listing("a", "get_order z_g1 z_g2 z_g3 z_g4 z_g5")]).find("get_ordr")

    assert isinstance(missing, NotFound)
    assert missing.message == 'no tool is called "get_ordr"; did you mean "get_order"?'


def test_a_catalogue_is_complete_where_every_upstream_is_up() -> None:
    assert Catalogue([listing("a", "get"), listing("b")]).complete
    assert not Catalogue([listing("a", "get"), listing("b", unavailable="connection refused")]).complete


def test_an_upstream_that_is_down_cannot_say_what_it_has_but_old_tools_stay_known() -> None:
    catalogue = Catalogue([listing("a", "get", unavailable="connection refused")])
    missing = catalogue.find("a.other")

    assert found(catalogue, "a.get") == "a/get"
    assert missing == NotFound("UPSTREAM_UNAVAILABLE", 'upstream "a" is not available: connection refused')


def test_names_with_separators_in_them_are_found_whole() -> None:
    catalogue = Catalogue([listing("a", "get.x get__y"), listing("b", "z.w")])

    assert found(catalogue, "a.get.x") == found(catalogue, "a__get.x") == "a/get.x"
    assert found(catalogue, "a.get__y") == found(catalogue, "a__get__y") == "a/get__y"
    assert found(catalogue, "get__y") == "a/get__y"
    assert found(catalogue, "z.w") == found(catalogue, "b__z_w") == "b/z.w"


def test_tools_that_share_an_offered_name_are_both_callable() -> None:
    catalogue = Catalogue([listing("a", "x.y x_y")])
    first, second = catalogue.tools

    assert first.qualified == "a__x_y"
    assert second.qualified != first.qualified
    assert found(catalogue, second.qualified) == "a/x_y"
    assert found(catalogue, "a.x_y") == "a/x_y"


def test_rules_say_which_tools_are_there() -> None:
    rules = UpstreamRules(include=("get_*", "list"), exclude=("*_secret",))
    names = ["get_a", "get_secret", "list", "put", "GET_b"]
    catalogue = Catalogue([Listing("a", rules, tuple({"name": name} for name in names))])

    assert [tool.name for tool in catalogue.tools] == ["get_a", "list"]
    assert found(catalogue, "a.get_secret") == "UNKNOWN_TOOL"


def test_definitions_that_are_none_are_passed_over_and_doubles_count_once() -> None:
    definitions: tuple[dict[str, Any], ...] = (
        {"name": 5},
        {},
        {"name": ""},
        {"name": "x", "description": "first"},
        {"name": "x"},
    )
    (tool,) = Catalogue([Listing("a", UpstreamRules(), definitions)]).tools

    assert tool.description == "first"
    assert tool.input_schema == {"type": "object"}


def test_a_tool_shows_what_its_upstream_declared() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string"}}}
    definition = {"name": "x", "description": 5, "inputSchema": schema}
    (tool,) = Catalogue([Listing("a", UpstreamRules(), (definition,))]).tools

    assert (tool.description, tool.input_schema, tool.definition) == ("", schema, definition)


@pytest.mark.parametrize(
    ("name", "upstream"),
    [("a__get", "a"), ("a.nope", "a"), ("down__x", "down"), ("nowhere__x", None), ("get", None), ("", None)],
)
def test_a_qualified_name_names_its_upstream(name: str, upstream: str | None) -> None:
    assert CATALOGUE.upstream_named_in(name) == upstream


def test_a_shortened_name_still_names_its_upstream() -> None:
    catalogue = Catalogue([listing("up" * 20, "tool" * 10)])
    (tool,) = catalogue.tools

    assert catalogue.upstream_named_in(tool.qualified) == tool.upstream


def test_many_unknown_names_over_many_tools_are_answered_soon() -> None:
    catalogue = Catalogue([listing("u", " ".join(f"tool_number_{index}_of_many" for index in range(1000)))])
    started = process_time()
    hints = [catalogue.find(f"tol_numbr_{index}_of_mny") for index in range(256)]

    assert all(isinstance(hint, NotFound) and "did you mean" in hint.message for hint in hints)
    assert process_time() - started < 4


def test_without_prefix_tools_keep_their_own_names_where_nobody_else_has_them() -> None:
    own = [{"name": name} for name in ("get", "batch_call", "odd name")]
    catalogue = Catalogue(
        [
            Listing("a", UpstreamRules(prefix=False), tuple(own)),
            Listing("b", UpstreamRules(prefix=False), ({"name": "get"},)),
        ]
    )

    assert [tool.qualified for tool in catalogue.tools] == ["get", "a__batch_call", "a__odd_name", "b__get"]
    found = catalogue.find("a__get")
    assert not isinstance(found, NotFound)
    assert found.qualified == "get"


@pytest.mark.parametrize("tools", ["pay", ""], ids=["up", "down"])
def test_without_prefix_no_upstream_takes_the_name_of_another_ones_tool(tools: str) -> None:
    sly = Listing("sly", UpstreamRules(prefix=False), ({"name": "shop__pay"}, {"name": "sly__x"}, {"name": "a__b"}))
    catalogue = Catalogue([sly, listing("shop", tools)])

    offered = [tool.qualified for tool in catalogue.tools if tool.upstream == "sly"]
    assert offered == ["sly__shop__pay", "sly__x", "a__b"]
    assert found(catalogue, "shop__pay") == ("shop/pay" if tools else "UNKNOWN_TOOL")


def test_a_part_of_it_knows_nothing_of_the_rest() -> None:
    whole = Catalogue([listing("orders", "get_order list drop"), listing("payments", "list pay")])
    part = whole.only(["orders__*t*", "payments__pay"])

    assert [tool.qualified for tool in part.tools] == ["orders__get_order", "orders__list", "payments__pay"]
    assert found(part, "list") == "orders/list"  # there is one of that name now
    assert found(part, "payments.list") == "UNKNOWN_TOOL"
    missing = part.find("orders__drp")
    assert isinstance(missing, NotFound)
    assert "drop" not in missing.message
    assert whole.only([]).tools == ()


def test_of_an_upstream_that_is_down_a_part_tells_where_it_may_be_of_it() -> None:
    whole = Catalogue([Listing(name, UpstreamRules(), (), "gone") for name in ("orders", "payments")])
    seen = {glob: whole.only([glob]).upstreams for glob in ("orders__get_*", "orders__get", "*", "p*", "x", "order*")}

    assert seen == {
        "orders__get_*": {"orders"},
        "orders__get": {"orders"},
        "*": {"orders", "payments"},
        "p*": {"payments"},
        "x": set(),
        "order*": {"orders"},
    }
