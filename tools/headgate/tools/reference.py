"""References: values of one call's arguments that come out of another call's data.

A reference is written `{"$from": ID, "path": PATH}`, with `"default"` where the batch can go on without it, or
`{"$format": "order {id}", "id": …}` for a text with values filled in. What is filled in is data: it is never
looked at again, so nothing that an upstream answers can turn into a reference.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic_core import to_json

from headgate.tools.depth import depth_of
from headgate.tools.jsonpath import BadPathError, Path, Work, compile_path
from headgate.tools.refusal import Problem

MAX_DEPTH = 64
"""Levels of nesting in the arguments of one call."""
MAX_NODES = 100_000
"""Values in the arguments of one call."""
MAX_REFERENCES = 1_000
"""References in the arguments of one call."""
MAX_FILLED_BYTES = 1_000_000
"""Bytes of JSON that the values filled in for one call may have in all: they must not grow from call to call."""

_FROM = "$from"
_FORMAT = "$format"
_REFERENCE_FIELDS = frozenset((_FROM, "path", "default"))
_SLOT = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Reference:
    """One `$from`."""

    source: str
    path: Path
    default: tuple[Any] | None
    """The value to fall back on, in a tuple so that `null` can be one."""


@dataclass(frozen=True, slots=True)
class Template:
    """Arguments with references in them."""

    arguments: Mapping[str, Any]
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Why a reference gave no value."""

    message: str


@dataclass(slots=True)
class _Scan:
    """One walk over arguments, iterative, so that depth is a count and not a stack."""

    where: str
    references: list[Reference] = field(default_factory=list[Reference])
    problems: list[Problem] = field(default_factory=list[Problem])
    data: list[tuple[Any, int]] = field(default_factory=list[tuple[Any, int]])
    """Defaults, which are taken as they are, and the levels that they stand at."""


def scan(arguments: Mapping[str, Any], where: str) -> tuple[Template | None, tuple[Problem, ...]]:
    """The template that `arguments` are, `None` where they hold no reference; and what is wrong with them."""
    if _is_plain(arguments):
        return None, ()
    found = _Scan(where)
    pending: list[tuple[Any, str, int]] = [(arguments, where, 1)]
    nodes = 0
    while pending:
        value, path, depth = pending.pop()
        if depth > MAX_DEPTH:
            return None, (Problem("TOO_DEEP", where, f"nested deeper than {MAX_DEPTH} levels"),)
        if isinstance(value, dict):
            pending += _into_object(cast("dict[str, Any]", value), path, depth, found)
        elif isinstance(value, list):
            items = cast("list[Any]", value)
            pending += [(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(items) if isinstance(v, dict | list)]
        nodes += 1 + len(cast("dict[str, Any] | list[Any]", value))
        if nodes > MAX_NODES:
            return None, (Problem("TOO_LARGE", where, f"more than {MAX_NODES} values in the arguments of one call"),)
        if len(found.references) + len(found.problems) > MAX_REFERENCES:
            message = f"more than {MAX_REFERENCES} references in the arguments of one call"
            return None, (Problem("TOO_LARGE", where, message),)
    if not all(depth + depth_of(value, MAX_DEPTH) <= MAX_DEPTH for value, depth in found.data):
        return None, (Problem("TOO_DEEP", where, f"nested deeper than {MAX_DEPTH} levels"),)
    template = Template(arguments, tuple(found.references)) if found.references else None
    return template, tuple(found.problems)


def _is_plain(arguments: Mapping[str, Any]) -> bool:
    """Whether `arguments` is flat and holds no reference, as most are."""
    return (
        _FROM not in arguments
        and _FORMAT not in arguments
        and not any(isinstance(value, dict | list) for value in arguments.values())
    )


def _into_object(value: dict[str, Any], path: str, depth: int, found: _Scan) -> list[tuple[Any, str, int]]:
    if _FROM in value:
        reference = _reference(value, path, found.problems)
        if reference is not None:
            found.references.append(reference)
            found.data.append((value.get("default"), depth + 1))
        return []
    if _FORMAT in value:
        _check_format(value, path, found.problems)
    return [(v, f"{path}.{k}", depth + 1) for k, v in value.items() if isinstance(v, dict | list)]


def _reference(value: dict[str, Any], where: str, problems: list[Problem]) -> Reference | None:
    source, text = value[_FROM], value.get("path", "$")
    if "speculate" in value:
        problems.append(Problem("NOT_SUPPORTED", f"{where}.speculate", "speculate is not available in this version"))
        return None
    unknown = sorted(value.keys() - _REFERENCE_FIELDS)
    if not isinstance(source, str) or not isinstance(text, str) or unknown:
        message = 'a reference is {"$from": ID, "path": PATH}, with "default" where it may be missing'
        problems.append(Problem("BAD_REFERENCE", where, message))
        return None
    try:
        path = compile_path(text)
    except BadPathError as bad:
        problems.append(Problem("BAD_REFERENCE", f"{where}.path", str(bad)))
        return None
    return Reference(source, path, (value["default"],) if "default" in value else None)


def _check_format(value: dict[str, Any], where: str, problems: list[Problem]) -> None:
    text = value[_FORMAT]
    if not isinstance(text, str):
        problems.append(Problem("BAD_REFERENCE", f"{where}.$format", "$format is a text with {name} slots"))
        return
    slots = {match[1] for match in _SLOT.finditer(text) if match[1]}
    missing, unused = sorted(slots - value.keys()), sorted(value.keys() - slots - {_FORMAT})
    problems += [Problem("BAD_REFERENCE", where, f"no value is given for {{{name}}}") for name in missing]
    problems += [Problem("BAD_REFERENCE", f"{where}.{name}", f"$format has no slot {{{name}}}") for name in unused]


def fill(template: Template, data: Mapping[str, Any]) -> dict[str, Any] | Unresolved:
    """The template's arguments with every reference replaced by its value.

    `data` holds what each call that ended ok gave back, by id.
    """
    try:
        return cast("dict[str, Any]", _filled(template.arguments, _Filling(data)))
    except _UnresolvedError as missing:
        return Unresolved(str(missing))


class _UnresolvedError(Exception):
    """Carries the reason out of the recursion, whose depth `scan` has bounded."""


@dataclass(slots=True)
class _Filling:
    """What one call's references are filled in from, and how much may still be."""

    data: Mapping[str, Any]
    work: Work = field(default_factory=Work)
    bytes: int = MAX_FILLED_BYTES

    def take(self, value: Any, reference: Reference) -> Any:
        """`value`, which `reference` found, if there is room for it."""
        size = len(to_json(value))
        self.bytes -= size
        if self.bytes < 0:
            message = f'"{reference.path.text}" in the data of "{reference.source}" is {size} bytes; at most'
            raise _UnresolvedError(f"{message} {MAX_FILLED_BYTES} in all go into one call: name a smaller part of it")
        return value


def _filled(value: Any, filling: _Filling) -> Any:
    if isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        if _FROM in found:
            return _value_of(_reference_of(found), filling)
        if _FORMAT in found:
            return _text_of(found, filling)
        return {key: _filled(item, filling) for key, item in found.items()}
    if isinstance(value, list):
        return [_filled(item, filling) for item in cast("list[Any]", value)]
    return value


def _reference_of(value: Mapping[str, Any]) -> Reference:
    path = compile_path(value.get("path", "$"))
    return Reference(value[_FROM], path, (value["default"],) if "default" in value else None)


def _value_of(reference: Reference, filling: _Filling) -> Any:
    if reference.source in filling.data:
        matches = _matches_of(reference, filling)
        if not reference.path.singular and (matches or reference.default is None):
            return filling.take(list(matches), reference)
        if matches:
            return filling.take(matches[0], reference)
    if reference.default is not None:
        return filling.take(reference.default[0], reference)
    raise _UnresolvedError(f'"{reference.path.text}" finds nothing in the data of "{reference.source}"')


def _matches_of(reference: Reference, filling: _Filling) -> Sequence[Any]:
    try:
        return reference.path.of(filling.data[reference.source], filling.work)
    except BadPathError as bad:
        raise _UnresolvedError(f'"{reference.path.text}" in the data of "{reference.source}": {bad}') from None


def _text_of(value: Mapping[str, Any], filling: _Filling) -> str:
    def slot(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        filled = _filled(value[match[1]], filling)
        return filled if isinstance(filled, str) else to_json(filled).decode()

    return _SLOT.sub(slot, value[_FORMAT])
