"""How large JSON is."""

from typing import Any

import pytest

from headgate.tools.extent import extent_of


@pytest.mark.parametrize(
    ("value", "nodes", "characters"),
    [
        (None, 1, 0),
        ("abc", 1, 3),
        ({}, 1, 0),
        ({"key": "text"}, 2, 7),
        ([1, [2, {"a": None}]], 6, 1),
    ],
)
def test_values_and_characters_are_counted_with_keys(value: Any, nodes: int, characters: int) -> None:
    assert extent_of(value) == (nodes, characters)


def test_what_is_large_is_not_counted_to_its_end() -> None:
    assert extent_of([0] * 1_000_000, 10)[0] == 11
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    assert extent_of(deep, 10)[0] == 11
