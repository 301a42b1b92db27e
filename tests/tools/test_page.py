"""Paging through what was too large for a reply."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.tools.budget import size_of
from headgate.tools.jsonpath import BadPathError
from headgate.tools.page import Page, page_of

ITEM = st.recursive(
    st.none() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def pages(data: Any, limit: int, path: str = "$", items: int | None = None) -> list[dict[str, Any]]:
    """Every page from the first to the last."""
    found = [page_of(data, Page(path, 0, items), limit)]
    while (offset := found[-1].get("next_offset")) is not None:
        assert offset > found[-1]["offset"]
        found.append(page_of(data, Page(path, offset, items), limit))
    return found


@given(st.lists(ITEM, max_size=20), st.integers(20, 200), st.none() | st.integers(1, 5))
def test_the_pages_of_a_list_make_up_the_list(data: list[Any], spare: int, items: int | None) -> None:
    limit = max(map(size_of, data), default=0) + spare
    found = pages(data, limit, items=items)

    assert [item for page in found for item in page["data"]] == data
    assert all(size_of(page["data"]) <= limit and page["of"] == len(data) for page in found)
    assert items is None or all(len(page["data"]) <= items for page in found)


@given(st.text(max_size=200), st.integers(1, 50))
def test_the_pages_of_a_text_make_up_the_text(data: str, limit: int) -> None:
    assert "".join(page["data"] for page in pages(data, limit)) == data


@given(st.dictionaries(st.text(max_size=5), ITEM, max_size=8), st.integers(8, 50))
def test_the_pages_of_an_object_make_up_its_json(data: dict[str, Any], limit: int) -> None:
    found = pages(data, limit)
    whole = found[0]["data"] if len(found) == 1 and "offset" not in found[0] else "".join(it["data"] for it in found)

    assert (json.loads(whole) if isinstance(whole, str) else whole) == data


@given(st.lists(st.integers(0, 99), max_size=30), st.integers(0, 40), st.integers(1, 40))
def test_a_page_is_what_was_asked_for(data: list[int], offset: int, items: int) -> None:
    page = page_of({"a": data}, Page("$.a", offset, items), 10_000)

    assert page["data"] == data[offset : offset + items]
    assert ("next_offset" in page) == (offset + items < len(data))


def test_a_path_names_the_part() -> None:
    data = {"items": [{"id": 1}, {"id": 2}], "note": "hi", "n": 5, "none": None}

    assert page_of(data, Page("$.n"), 100) == {"data": 5}
    assert page_of(data, Page("$.note"), 100) == {"data": "hi", "offset": 0, "of": 2}
    assert page_of(data, Page("$.items[*].id"), 100) == {"data": [1, 2], "offset": 0, "of": 2}
    assert page_of(data, Page("$.none"), 100) == {"data": None}
    assert page_of(data, Page("$.nope"), 100) == {"data": None, "found": False}
    assert page_of(data, Page("$.nope[*]"), 100) == {"data": [], "offset": 0, "of": 0}
    assert page_of(data, Page(), 100) == {"data": data}
    assert page_of(data, Page(offset=1, limit=3), 100)["data"] == '"it'


def test_an_object_goes_whole_where_it_just_fits() -> None:
    assert page_of({"é": 1}, Page(), 8) == {"data": {"é": 1}}
    assert page_of({"é": 1}, Page(), 7) == {"data": '{"é', "offset": 0, "of": 7, "next_offset": 3}


def test_an_item_that_fits_no_page_shows_its_beginning_and_is_paged_by_its_own_path() -> None:
    data = ["x" * 100, "y"]
    page = page_of(data, Page(), 20)

    assert (page["truncated"], page["offset"], page["of"], "next_offset" in page) == (True, 0, 2, False)
    assert "".join(it["data"] for it in pages(data, 20, "$[0]")) == data[0]


def test_a_path_that_is_none_is_an_error() -> None:
    with pytest.raises(BadPathError):
        page_of([], Page("$["), 100)
