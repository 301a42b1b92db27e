"""The budget: the largest results are cut first, small ones stay whole."""

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.tools.budget import cut, fair_limit, size_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
SIZES = st.lists(st.integers(0, 1000), max_size=20)


@given(SIZES, st.integers(0, 5000))
def test_small_sizes_stay_whole_and_large_ones_share_what_is_left(sizes: list[int], budget: int) -> None:
    share = fair_limit(sizes, budget)
    kept = [min(size, share) for size in sizes]

    assert sum(kept) <= budget or not sizes
    # One more for each that was cut would be too much.
    cut_short = sum(size > share for size in sizes)
    assert sum(sizes) <= budget or sum(kept) + cut_short > budget


@pytest.mark.parametrize(
    ("sizes", "budget", "share"),
    [([], 10, 0), ([5], 5, 5), ([6], 5, 5), ([1, 9, 9], 9, 4), ([3, 3, 3], 9, 3), ([1, 2, 100], 20, 17), ([9], 0, 0)],
)
def test_shares(sizes: list[int], budget: int, share: int) -> None:
    assert fair_limit(sizes, budget) == share


@given(JSON, st.integers(2, 200))
def test_what_is_cut_fits_and_is_a_beginning(data: Any, limit: int) -> None:
    part = cut(data, limit)
    left: Any = part.data

    assert part.of == size_of(data)
    assert part.bytes == size_of(left) <= limit
    if part.of <= limit:
        assert left == data
    elif isinstance(left, list):
        kept = len(cast("list[Any]", left))
        assert data[:kept] == left
        assert size_of(data[: kept + 1]) > limit
    else:
        whole = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        assert whole.startswith(left)
        assert size_of(whole[: len(left) + 1]) > limit


@pytest.mark.parametrize(
    ("data", "limit", "kept"),
    [
        ("hello", 7, "hello"), ("hello", 6, "hell"), ("hello", 2, ""), ("hello", 0, ""), ('a"b', 5, 'a"'),
        ("éé", 4, "é"),
        ([1, 2, 3], 7, [1, 2, 3]), ([1, 2, 3], 6, [1, 2]), ([1, 2, 3], 5, [1, 2]), ([1, 2, 3], 4, [1]),
        (["long text"], 6, '["l'), ({"a": 1}, 7, {"a": 1}), ({"a": 1}, 6, '{"a'), (12345, 4, "12"), (None, 3, "n"),
    ],
)  # fmt: skip
def test_texts_are_cut_by_character_and_lists_by_item(data: Any, limit: int, kept: Any) -> None:
    assert cut(data, limit).data == kept
