"""How deep JSON is nested. Serialisers and path libraries end at some depth, each at its own: better to end before."""

from typing import Any, cast

MAX_DATA_DEPTH = 128
"""Levels of nesting that the data of a call may have."""


def depth_of(value: Any, most: int) -> int:
    """How many objects and lists stand within each other in `value`; `most + 1` for whatever is deeper than `most`."""
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    depth = 0
    while level and depth <= most:
        depth += 1
        level = [
            inner
            for outer in cast("list[dict[str, Any] | list[Any]]", level)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return depth
