"""How deep JSON is nested."""

from typing import Any

import pytest

from headgate.tools.depth import depth_of


@pytest.mark.parametrize(
    ("value", "depth"), [(1, 0), ("[[", 0), ([], 1), ({}, 1), ([1, [2]], 2), ({"a": {"b": [1]}, "c": []}, 3)]
)
def test_the_deepest_counts(value: Any, depth: int) -> None:
    assert depth_of(value, 10) == depth


def test_what_is_too_deep_is_not_followed_to_its_end() -> None:
    value: Any = []
    for _ in range(200_000):
        value = [value]

    assert depth_of(value, 64) == 65
