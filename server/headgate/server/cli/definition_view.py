"""A tool's definition as lines to read, and what is different in two of them."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from headgate.tools.trust import PINNED

_AROUND = 2
"""Lines shown around a difference."""
_IGNORED = frozenset(
    chr(one)
    for first, last in (
        *((0x34F, 0x34F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2800, 0x2800)),
        *((0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFFA0, 0xFFA0), (0xE0000, 0xE0FFF)),
    )
    for one in range(first, last + 1)
)
"""Characters that count as printable and of which nothing is seen: any text can be hidden in such."""


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Sequence[str]:
    """The lines that are other, with a few around them, each with `-`, `+` or a blank before it."""
    lines = difflib.unified_diff([*_lines(before)], [*_lines(after)], lineterm="", n=_AROUND)
    return [*islice(lines, 2, None)]  # without the names of files; what else begins so is the definition's own


def definition_lines(definition: Mapping[str, Any]) -> Sequence[str]:
    """The whole definition, each line as one that is new."""
    return [f"+{line}" for line in _lines(definition)]


def _lines(definition: Mapping[str, Any]) -> Iterator[str]:
    for key in PINNED:
        if key == "name" or key not in definition:
            continue
        value = definition[key]
        if isinstance(value, str):
            lines = value.split("\n")
            yield from ([f"{key}: {lines[0]}"] if len(lines) == 1 else [f"{key}:", *(f"  {line}" for line in lines)])
        else:
            first, *rest = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str).split("\n")
            yield from (f"{key}: {first}", *rest)


def revealed(line: str) -> str:
    """`line` with an escape for each character that cannot be seen: a change may hide in such."""
    return "".join(one if _is_seen(one) else one.encode("unicode_escape").decode() for one in line)


def _is_seen(one: str) -> bool:
    return one.isprintable() and one not in _IGNORED
