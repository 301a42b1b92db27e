"""How deep JSON is nested. Serialisers and path libraries end at some depth, each at its own: better to end before."""

from collections.abc import Iterable
from typing import Any, cast

MAX_DATA_DEPTH = 128
"""Levels of nesting that the data of a call may have."""
_NESTED: tuple[type, ...] = (dict, list)


def depth_of(value: Any, most: int) -> int:
    """How many objects and lists stand within each other in `value`; `most + 1` for whatever is deeper than `most`."""
    level: list[Any] = [value] if isinstance(value, _NESTED) else []
    depth = 0
    while level and depth <= most:
        depth += 1
        below: list[Any] = []
        for outer in level:
            for inner in cast("Iterable[Any]", outer if isinstance(outer, list) else outer.values()):
                if isinstance(inner, _NESTED):
                    below.append(inner)  # noqa: PERF401 - each answer comes by here, and most hold nothing nested
        level = below
    return depth
