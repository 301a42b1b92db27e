"""How large JSON is, told quickly."""

from typing import Any, cast

MAX_NODES = 100_000
"""Values that are counted: what has more is simply large."""
_OF_PARTS: tuple[type, ...] = (str, dict, list)


def extent_of(value: Any, most: int = MAX_NODES) -> tuple[int, int]:
    """How many values stand in `value`, itself included, and how many characters its texts and keys have together.

    More than `most` values are not counted to their end.
    """
    nodes = characters = 0
    pending: list[Any] = [value]
    while pending and nodes <= most:
        part = pending.pop()
        nodes += 1
        if isinstance(part, str):
            characters += len(part)
        elif isinstance(part, dict):
            for key, inner in cast("dict[str, Any]", part).items():
                characters += len(key)
                if isinstance(inner, _OF_PARTS):
                    pending.append(inner)
                else:
                    nodes += 1
        elif isinstance(part, list):
            pending.extend(cast("list[Any]", part))
    return nodes, characters
