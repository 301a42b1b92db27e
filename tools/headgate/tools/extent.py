"""How large JSON is, told quickly."""

from typing import Any, cast

MAX_NODES = 100_000
"""Values that are counted: what has more is simply large."""


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
            fields = cast("dict[str, Any]", part)
            characters += sum(map(len, fields))
            pending.extend(fields.values())
        elif isinstance(part, list):
            pending.extend(cast("list[Any]", part))
    return nodes, characters
