"""Putting values into templates. What is filled in is data: it is never looked at again.

So nothing that an upstream answers, and no item of a list, can turn into a reference.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic_core import to_json

from headgate.tools.given import Given
from headgate.tools.jsonpath import BadPathError, Work, compile_path
from headgate.tools.reference import FORMAT, FROM, ITEM, SLOT, Reference, Template

MAX_FILLED_BYTES = 1_000_000
"""Bytes of JSON that the values filled in for one call may have in all: they must not grow from call to call."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Why there is no value."""

    message: str


@dataclass(slots=True)
class Filling:
    """What one call is filled in from, and how much may still be.

    `data` holds what each call that ended ok gave back, by id; `item` is what `$item` stands for.
    """

    data: Mapping[str, Any]
    item: Any = None
    work: Work = field(default_factory=Work)
    bytes_left: int = MAX_FILLED_BYTES

    def take(self, value: Any, what: str) -> Any:
        """`value`, if there is room for it."""
        size = len(to_json(value))
        self.bytes_left -= size
        if self.bytes_left < 0:
            message = f"{what} is {size} bytes; at most"
            raise _UnresolvedError(f"{message} {MAX_FILLED_BYTES} in all go into one call: name a smaller part of it")
        return value


def fill(template: Template, filling: Filling) -> Any | Unresolved:
    """The template's value with everything in it filled in."""
    try:
        return _filled(template.value, filling)
    except _UnresolvedError as missing:
        return Unresolved(str(missing))


class _UnresolvedError(Exception):
    """Carries the reason out of the recursion, whose depth `scan` has bounded."""


def _filled(value: Any, filling: Filling) -> Any:
    if isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        if FROM in found:
            return _value_of(_reference_of(found), filling)
        if ITEM in found:
            return _part_of_item(found[ITEM], filling)
        if FORMAT in found:
            return _text_of(found, filling)
        return {key: _filled(inner, filling) for key, inner in found.items()}
    if isinstance(value, list):
        return [_filled(inner, filling) for inner in cast("list[Any]", value)]
    return value.value if isinstance(value, Given) else value


def _reference_of(value: Mapping[str, Any]) -> Reference:
    path = compile_path(value.get("path", "$"))
    return Reference(value[FROM], path, (value["default"],) if "default" in value else None)


def _value_of(reference: Reference, filling: Filling) -> Any:
    what = f'"{reference.path.text}" in the data of "{reference.source}"'
    if reference.source in filling.data:
        matches = _matches_of(reference.path.text, filling.data[reference.source], filling, what)
        if not reference.path.singular and (matches or reference.default is None):
            return filling.take(list(matches), what)
        if matches:
            return filling.take(matches[0], what)
    if reference.default is not None:
        return filling.take(reference.default[0], what)
    raise _UnresolvedError(f'"{reference.path.text}" finds nothing in the data of "{reference.source}"')


def _part_of_item(text: str, filling: Filling) -> Any:
    what = f'"{text}" in an item of for_each'
    matches = _matches_of(text, filling.item, filling, what)
    if not compile_path(text).singular:
        return filling.take(list(matches), what)
    if not matches:
        raise _UnresolvedError(f"{what} finds nothing")
    return filling.take(matches[0], what)


def _matches_of(text: str, data: Any, filling: Filling, what: str) -> Sequence[Any]:
    try:
        return compile_path(text).of(data, filling.work)
    except BadPathError as bad:
        raise _UnresolvedError(f"{what}: {bad}") from None


def _text_of(value: Mapping[str, Any], filling: Filling) -> str:
    def slot(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        filled = _filled(value[match[1]], filling)
        return filled if isinstance(filled, str) else to_json(filled).decode()

    return SLOT.sub(slot, value[FORMAT])
