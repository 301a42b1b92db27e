"""A reply's budget: the largest results are cut first, small ones stay whole.

What is cut can be fetched whole with get_result. A text is cut to its beginning, a list to its first items; of
anything else the beginning of its JSON text is sent, as a text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from headgate.tools.compact import compact


@dataclass(frozen=True, slots=True)
class Cut:
    """Data that was shortened, and how much of it is left. Bytes are of compact JSON."""

    data: Any
    bytes: int
    of: int


def size_of(data: Any) -> int:
    """Bytes of `data` as compact JSON."""
    return len(compact(data))


def fair_limit(sizes: Sequence[int], budget: int) -> int:
    """The largest size that every result may have for the sum to stay within `budget`."""
    left, remaining = budget, len(sizes)
    for size in sorted(sizes):
        if size * remaining > left:
            return max(left // remaining, 0)
        left -= size
        remaining -= 1
    return max(sizes, default=0)


def cut(data: Any, limit: int) -> Cut:
    """`data` in at most `limit` bytes (2 at least, an empty text)."""
    text = compact(data)
    if len(text) <= limit:
        return Cut(data, len(text), len(text))
    if isinstance(data, list):
        items = _first_items(cast("list[Any]", data), limit)
        if items:
            return Cut(items, size_of(items), len(text))
    whole = data if isinstance(data, str) else text.decode()
    beginning = _beginning(whole, limit)
    return Cut(beginning, size_of(beginning), len(text))


def _first_items(items: list[Any], limit: int) -> list[Any]:
    kept, used = 0, 2
    for item in items:
        used += size_of(item) + (1 if kept else 0)
        if used > limit:
            break
        kept += 1
    return items[:kept]


def _beginning(text: str, limit: int) -> str:
    """The longest beginning of `text` whose JSON form has at most `limit` bytes."""
    low, high = 0, min(len(text), max(limit - 2, 0))
    while low < high:
        middle = (low + high + 1) // 2
        if size_of(text[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return text[:low]
