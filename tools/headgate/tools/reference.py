"""References: values of one call's arguments that come out of another call's data.

A reference is written `{"$from": ID, "path": PATH}`, with `"default"` where the batch can go on without it, or
`{"$format": "order {id}", "id": …}` for a text with values filled in, or `{"$item": PATH}` for a part of the item
that a call with `for_each` runs for. This file finds and checks them; `fill.py` puts the values in.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from headgate.tools.depth import depth_of
from headgate.tools.given import Given
from headgate.tools.jsonpath import BadPathError, Path, compile_path
from headgate.tools.refusal import Problem

MAX_DEPTH = 64
"""Levels of nesting in the arguments of one call."""
MAX_NODES = 100_000
"""Values in the arguments of one call."""
MAX_REFERENCES = 1_000
"""References in the arguments of one call."""

FROM, FORMAT, ITEM = "$from", "$format", "$item"
MARKS = frozenset((FROM, FORMAT, ITEM))
"""Names of fields that make an object one to be filled in."""
SLOT = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A slot of a `$format` text, or a doubled brace, which stands for one."""
_NESTED = (dict, list, Given)
_FIELDS = frozenset((FROM, "path", "default", "speculate"))


@dataclass(frozen=True, slots=True)
class Reference:
    """One `$from`."""

    source: str
    path: Path
    default: tuple[Any] | None
    """The value to fall back on, in a tuple so that `null` can be one."""
    speculate: bool = False
    """Whether to start with the default at once."""


@dataclass(frozen=True, slots=True)
class Template:
    """A value with something in it to be filled in."""

    value: Any
    references: tuple[Reference, ...]


@dataclass(slots=True)
class _Scan:
    """One walk over arguments, iterative, so that depth is a count and not a stack."""

    items: bool
    references: list[Reference] = field(default_factory=list[Reference])
    problems: list[Problem] = field(default_factory=list[Problem])
    data: list[tuple[Any, int]] = field(default_factory=list[tuple[Any, int]])
    """Defaults and what was given as data, taken as they are, and the levels that they stand at."""
    to_fill: bool = False


def scan(
    asked: Mapping[str, Any] | list[Any], where: str, *, items: bool = False
) -> tuple[Template | None, tuple[Problem, ...]]:
    """The template that `asked` is, `None` where it is to be taken as it stands; and what is wrong with it.

    `items` says whether there is an item that it can refer to.
    """
    if not isinstance(asked, list) and is_flat(asked):
        return None, ()
    found = _Scan(items)
    pending: list[tuple[Any, str, int]] = [(asked, where, 1)]
    nodes = 0
    while pending:
        value, path, depth = pending.pop()
        if depth > MAX_DEPTH:
            return None, (Problem("TOO_DEEP", where, f"nested deeper than {MAX_DEPTH} levels"),)
        if isinstance(value, Given):
            found.to_fill = True
            found.data.append((value.value, depth - 1))
            continue
        nodes += 1 + len(cast("dict[str, Any] | list[Any]", value))
        if nodes > MAX_NODES:
            return None, (Problem("TOO_LARGE", where, f"more than {MAX_NODES} values in the arguments of one call"),)
        if isinstance(value, dict):
            pending += _into_object(cast("dict[str, Any]", value), path, depth, found)
        elif isinstance(value, list):
            listed = cast("list[Any]", value)
            pending += [(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(listed) if isinstance(v, _NESTED)]
        if len(found.references) + len(found.problems) > MAX_REFERENCES:
            message = f"more than {MAX_REFERENCES} references in the arguments of one call"
            return None, (Problem("TOO_LARGE", where, message),)
    if not all(depth + depth_of(value, MAX_DEPTH) <= MAX_DEPTH for value, depth in found.data):
        return None, (Problem("TOO_DEEP", where, f"nested deeper than {MAX_DEPTH} levels"),)
    template = Template(asked, tuple(found.references)) if found.to_fill else None
    return template, tuple(found.problems)


def is_flat(arguments: Mapping[str, Any]) -> bool:
    """Whether `arguments` holds nothing nested, and so no reference either, as most do."""
    if not MARKS.isdisjoint(arguments):
        return False
    for value in arguments.values():  # noqa: SIM110 - each call comes by here, and a generator costs twice as much
        if isinstance(value, _NESTED):
            return False
    return True


def _into_object(value: dict[str, Any], path: str, depth: int, found: _Scan) -> list[tuple[Any, str, int]]:
    if FROM in value:
        found.to_fill = True
        reference = _reference(value, path, found.problems)
        if reference is not None:
            found.references.append(reference)
            found.data.append((value.get("default"), depth))
        return []
    if ITEM in value:
        found.to_fill = True
        _check_item(value, path, found)
        return []
    if FORMAT in value:
        found.to_fill = True
        _check_format(value, path, found.problems)
    return [(v, f"{path}.{k}", depth + 1) for k, v in value.items() if isinstance(v, _NESTED)]


def _reference(value: dict[str, Any], where: str, problems: list[Problem]) -> Reference | None:
    source, text, speculate = value[FROM], value.get("path", "$"), value.get("speculate", False)
    unknown = value.keys() - _FIELDS
    if not isinstance(source, str) or not isinstance(text, str) or not isinstance(speculate, bool) or unknown:
        message = 'a reference is {"$from": ID, "path": PATH}, with "default" where it may be missing'
        problems.append(Problem("BAD_REFERENCE", where, message))
        return None
    if speculate and "default" not in value:
        problems.append(Problem("BAD_REFERENCE", where, '"speculate" starts with the "default", and there is none'))
        return None
    path = _checked_path(text, where, problems)
    if path is None:
        return None
    return Reference(source, path, (value["default"],) if "default" in value else None, speculate)


def _check_item(value: dict[str, Any], where: str, found: _Scan) -> None:
    text = value[ITEM]
    if not found.items:
        message = '$item stands for an item of the call\'s "for_each", and it has none'
        found.problems.append(Problem("BAD_REFERENCE", where, message))
    elif not isinstance(text, str) or len(value) > 1:
        message = 'an item is written {"$item": PATH}, "$" for the whole of it'
        found.problems.append(Problem("BAD_REFERENCE", where, message))
    else:
        _checked_path(text, where, found.problems)


def _checked_path(text: str, where: str, problems: list[Problem]) -> Path | None:
    try:
        return compile_path(text)
    except BadPathError as bad:
        problems.append(Problem("BAD_REFERENCE", f"{where}.path", str(bad)))
        return None


def _check_format(value: dict[str, Any], where: str, problems: list[Problem]) -> None:
    text = value[FORMAT]
    if not isinstance(text, str):
        problems.append(Problem("BAD_REFERENCE", f"{where}.$format", "$format is a text with {name} slots"))
        return
    slots = {match[1] for match in SLOT.finditer(text) if match[1]}
    missing, unused = sorted(slots - value.keys()), sorted(value.keys() - slots - {FORMAT})
    problems += [Problem("BAD_REFERENCE", where, f"no value is given for {{{name}}}") for name in missing]
    problems += [Problem("BAD_REFERENCE", f"{where}.{name}", f"$format has no slot {{{name}}}") for name in unused]
