"""The names under which upstream tools are offered."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.tools.catalogue import Catalogue, Listing
from headgate.tools.names import MAX_NAME, offered_name, with_hash
from headgate.tools.rules import UpstreamRules

NAME = st.text(min_size=1, max_size=80) | st.text("ab_-.", min_size=1, max_size=6)
FITS = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAME}}}")


@given(NAME, NAME)
def test_every_name_fits_every_client(upstream: str, tool: str) -> None:
    assert FITS.fullmatch(offered_name(upstream, tool))
    assert FITS.fullmatch(with_hash(offered_name(upstream, tool), tool))


@pytest.mark.parametrize(
    ("upstream", "tool", "name"),
    [
        ("orders", "get_order", "orders__get_order"),
        ("my orders", "get.order", "my_orders__get_order"),
        ("o", "x" * 45, "o__" + "x" * 45),
    ],
)
def test_a_name_that_fits_is_kept(upstream: str, tool: str, name: str) -> None:
    assert offered_name(upstream, tool) == name


def test_a_long_name_keeps_its_ends_and_is_always_the_same() -> None:
    one, other = offered_name("orders", "a" * 60 + "_list"), offered_name("orders", "a" * 61 + "_list")

    assert one.startswith("orders__aaa")
    assert one.endswith("_list")
    assert len(one) == MAX_NAME
    assert one != other
    assert one == "orders__aaaaaaaaaaa-6ea1fb14-aaaaaaaaaaaaaa_list"


@given(st.lists(st.tuples(st.sampled_from(("a", "a_", "a__b", "b")), NAME), max_size=30))
def test_names_are_unique_in_a_catalogue_and_each_finds_its_tool(listed: list[tuple[str, str]]) -> None:
    upstreams = dict.fromkeys(upstream for upstream, _ in listed)
    catalogue = Catalogue(
        Listing(upstream, UpstreamRules(), tuple({"name": name} for owner, name in listed if owner == upstream))
        for upstream in upstreams
    )

    assert len(catalogue.tools) == len(set(listed))
    assert len({tool.qualified for tool in catalogue.tools}) == len(catalogue.tools)
    for tool in catalogue.tools:
        assert FITS.fullmatch(tool.qualified)
        assert catalogue.find(tool.qualified) is tool
