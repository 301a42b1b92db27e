"""What a tool's schema may cost whoever holds values against it, and what makes one unfit for that.

A schema is weighed, not run: how often its parts refer to each other says how long judging by it can take.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import unquote

from headgate.tools.depth import depth_of
from headgate.tools.extent import extent_of

MAX_DEPTH = 64
"""Levels of nesting that a schema may have."""
MAX_PARTS = 20_000
"""Parts that a schema may have, written out: compiling one is a matter of milliseconds."""
MAX_WEIGHT = 100_000
"""Parts of a schema that one value may be held against, which is a matter of milliseconds."""
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_DATA = frozenset(("const", "default", "enum", "examples"))
"""Keywords whose values are no schemas, whatever they look like."""
_NAMED = frozenset(
    ("$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"),
)
"""Keywords whose values are objects of schemas, by names that may look like keywords."""
_OF_TEXT = frozenset(("contentEncoding", "contentMediaType", "format", "pattern"))
_COLLECTING = frozenset(("anyOf", "oneOf"))
_SHOWN = 60

_As = Literal["schema", "names", "data"]
_Load = tuple[int, int, int]
"""Parts, ways back to a part above, parts that look at each character of a text: each as often as it is referred to."""
_ONE: _Load = (1, 0, 0)


@dataclass(frozen=True, slots=True)
class Weight:
    """How much of a schema one value may be held against. A part counts as often as it is referred to."""

    parts: int
    laps: int
    """Ways from the schema's top back into itself: one step into a value may multiply `parts` by so many."""
    texts: int
    """Parts that look at each character of a text."""
    patterns: frozenset[str]
    """The regular expressions in it."""
    collects: bool
    """Whether it has alternatives: what is wrong with each of them is gathered before a fault can be told."""


def harm_in(schema: Mapping[str, Any]) -> str | None:
    """Why nobody should have to hold a value against `schema`, as the end of "its schema …"; `None` for nearly all."""
    if extent_of(schema, MAX_PARTS)[0] > MAX_PARTS:
        return f"has more than {MAX_PARTS:,} parts"
    if depth_of(schema, MAX_DEPTH) > MAX_DEPTH:
        return f"is nested more than {MAX_DEPTH} levels deep"
    walk = _Walk(schema)
    try:
        parts, _, _ = walk.of(schema)
    except RecursionError:
        return "refers to itself in a chain that is too long to follow"
    if walk.outside is not None:
        return f'refers to "{_shown(walk.outside)}", which is outside itself'
    if parts > MAX_WEIGHT:
        return "refers to its own parts so often that judging by it might never end"
    return None


def weigh(schema: Mapping[str, Any]) -> Weight | None:
    """What judging by a harmless `schema` costs; `None` where that cannot be told from the look of it."""
    walk = _Walk(schema)
    parts, laps, texts = walk.of(schema)
    return None if walk.opaque else Weight(parts, laps, texts, frozenset(walk.patterns), walk.collects)


class _Walk:
    """One way through a schema. Each part of it is looked at once.

    Thirty definitions, each naming the next one twice, make a short schema that takes a billion steps to judge by.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.outside: str | None = None
        """The first reference to another document."""
        self.opaque = False
        """Whether something is referred to by a name that would have to be looked up."""
        self.patterns: set[str] = set()
        self.collects = False
        self._known: dict[tuple[int, _As], _Load] = {}
        self._names: frozenset[str] | None = None

    def of(self, part: object, taken: _As = "schema") -> _Load:
        """The load of `part`. Data within a schema weighs too, since values are compared with it."""
        if not isinstance(part, dict | list):
            return _ONE
        key = (id(cast("object", part)), taken)
        load = self._known.get(key)
        if load is None:
            self._known[key] = (1, 1, 0)  # whoever meets a part on the way through it has gone round once
            if isinstance(part, list):
                loads = [self.of(item, taken) for item in cast("list[object]", part)]
            else:
                loads = self._of_fields(cast("dict[str, Any]", part), taken)
            parts, laps, texts = zip(_ONE, *loads, strict=True)
            load = self._known[key] = (sum(parts), sum(laps), sum(texts))
        return load

    def _of_fields(self, fields: dict[str, Any], taken: _As) -> list[_Load]:
        if taken != "schema":
            return [self.of(value, "schema" if taken == "names" else "data") for value in fields.values()]
        loads = [self.of(value, _taken_of(key)) for key, value in fields.items()]
        loads += [self._of_target(fields[key]) for key in _REFERENCES if isinstance(fields.get(key), str)]
        loads += [(0, 0, 1) for key in _OF_TEXT if isinstance(fields.get(key), str)]
        if isinstance(pattern := fields.get("pattern"), str):
            self.patterns.add(pattern)
        by_pattern = fields.get("patternProperties")
        if isinstance(by_pattern, dict):
            patterns = cast("dict[str, Any]", by_pattern)
            self.patterns.update(patterns)
            loads.append((0, 0, len(patterns)))
        if not _COLLECTING.isdisjoint(fields):
            self.collects = True
        if fields is not self.root and isinstance(fields.get("$id"), str):
            self.opaque = True  # references below it start from there
        return loads

    def _of_target(self, reference: str) -> _Load:
        if reference != "#" and not reference.startswith("#/"):
            self._look_up(reference)
            return _ONE
        target: object = self.root
        for step in reference.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(target, list):
                listed = cast("list[object]", target)
                target = listed[int(key)] if key.isdecimal() and int(key) < len(listed) else None
            else:
                target = cast("Mapping[str, object]", target).get(key) if isinstance(target, Mapping) else None
        return self.of(target)

    def _look_up(self, reference: str) -> None:
        """Note a reference by name. What an `$id` in the same document is called is not outside of it."""
        self.opaque = True
        document = reference.partition("#")[0]
        if not document or self.outside is not None:
            return
        if self._names is None:
            self._names = frozenset(_names_in(self.root))
        if not any(name == document or name.endswith(f"/{document}") for name in self._names):
            self.outside = reference


def _taken_of(keyword: str) -> _As:
    return "data" if keyword in _DATA else "names" if keyword in _NAMED else "schema"


def _names_in(root: Mapping[str, Any]) -> list[str]:
    names: list[str] = []
    pending: list[object] = [root]
    while pending:
        part = pending.pop()
        if isinstance(part, Mapping):
            fields = cast("Mapping[str, object]", part)
            if isinstance(name := fields.get("$id"), str):
                names.append(name.partition("#")[0])
            pending.extend(fields.values())
        elif isinstance(part, list):
            pending.extend(cast("list[object]", part))
    return names


def _shown(reference: str) -> str:
    printable = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in reference[:_SHOWN])
    return printable if len(reference) <= _SHOWN else f"{printable}…"
