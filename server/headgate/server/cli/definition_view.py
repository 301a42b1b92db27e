"""A tool's definition as lines to read, and what is different in two of them."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headgate.tools.trust import PINNED

_AROUND = 2
"""Lines shown around a difference."""


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Sequence[str]:
    """The lines that are other, with a few around them, each with `-`, `+` or a blank before it."""
    lines = difflib.unified_diff([*_lines(before)], [*_lines(after)], lineterm="", n=_AROUND)
    return [line for line in lines if not line.startswith(("---", "+++"))]


def definition_lines(definition: Mapping[str, Any]) -> Sequence[str]:
    """The whole definition, each line as one that is new."""
    return [f"+{line}" for line in _lines(definition)]


def _lines(definition: Mapping[str, Any]) -> Iterator[str]:
    for key in PINNED:
        if key == "name" or key not in definition:
            continue
        value = definition[key]
        if isinstance(value, str):
            lines = value.splitlines() or [""]
            yield from ([f"{key}: {lines[0]}"] if len(lines) == 1 else [f"{key}:", *(f"  {line}" for line in lines)])
        else:
            first, *rest = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=str).splitlines()
            yield from (f"{key}: {first}", *rest)


def revealed(line: str) -> str:
    """`line` with an escape for each character that cannot be seen: a change may hide in such."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)
