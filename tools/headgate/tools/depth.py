"""How deep JSON is nested. Serialisers and path libraries end at some depth, each at its own: better to end before."""

from collections.abc import Iterable
from typing import Any, cast

MAX_DATA_DEPTH = 128
"""Levels of nesting that the data of a call may have."""
_NESTED: tuple[type, ...] = (dict, list)
_PLAIN = frozenset((str, int, float, bool, type(None)))
"""Nearly all that there is in JSON. They are told from the rest at a glance: large answers come by here."""


def depth_of(value: Any, most: int) -> int:
    """How many objects and lists stand within each other in `value`; `most + 1` for whatever is deeper than `most`."""
    level: list[Any] = [value] if isinstance(value, _NESTED) else []
    depth = 0
    while level and depth <= most:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in cast("Iterable[Any]", outer if isinstance(outer, list) else outer.values())
            if type(inner) not in _PLAIN and isinstance(inner, _NESTED)
        ]
    return depth
