"""Whether a tool's schema takes a call's arguments. Each schema is compiled once, when it is first needed."""

from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Any, cast
from urllib.parse import unquote

import jsonschema_rs

from headgate.tools.catalogue import Tool
from headgate.tools.known import Place

MAX_NAMED = 3
"""Faults that a message names."""
MAX_WEIGHT = 100_000
"""Parts of a schema that one value may be held against, which is a matter of milliseconds."""
_MAX_FAULT = 200
_OF_NAMES = ("required", "additionalProperties")
_CONDITIONS = frozenset(("then", "else"))
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class ArgumentChecker:
    """Compiled schemas by tool, for as long as the tool's definition stays the same."""

    def __init__(self) -> None:
        """Nothing compiled yet."""
        self._compiled: dict[tuple[str, str], tuple[Mapping[str, Any], jsonschema_rs.Validator | None]] = {}

    def check(self, tool: Tool, arguments: Mapping[str, Any]) -> str | None:
        """What is wrong with `arguments`, as a sentence; `None` where nothing is.

        A schema that cannot be compiled, that points outside itself, or that takes too long to judge by, judges
        nothing: the upstream will.
        """
        validator = self._validator_of(tool)
        if validator is None or validator.is_valid(arguments):
            return None
        return _told(tool, validator.iter_errors(arguments))

    def check_known(self, tool: Tool, arguments: Mapping[str, Any], unknown: Collection[Place]) -> str | None:
        """What will be wrong with `arguments` whatever comes to stand at the places `unknown`, at which is `None`."""
        validator = self._validator_of(tool)
        if validator is None or validator.is_valid(arguments):
            return None
        faults = [error for error in validator.iter_errors(arguments) if _holds(error, unknown)]
        return _told(tool, faults) if faults else None

    def _validator_of(self, tool: Tool) -> "jsonschema_rs.Validator | None":
        key = (tool.upstream, tool.name)
        found = self._compiled.get(key)
        if found is None or found[0] is not tool.definition:
            found = self._compiled[key] = (tool.definition, _compile(tool.input_schema))
        return found[1]


def _told(tool: Tool, errors: Iterable["jsonschema_rs.ValidationError"]) -> str:
    faults: list[str] = []
    for error in islice(errors, MAX_NAMED):
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
        fault = f"{where.removeprefix('.')}: {error.message}" if where else error.message
        faults.append(fault if len(fault) <= _MAX_FAULT else f"{fault[:_MAX_FAULT]}…")
    return f"{tool.qualified} does not take these arguments: {'; '.join(faults)}"


def _holds(error: "jsonschema_rs.ValidationError", unknown: Collection[Place]) -> bool:
    """Whether `error` stays one whatever stands at the places `unknown`."""
    place = tuple(error.instance_path)
    if any(place[: len(other)] == other for other in unknown):
        return False
    if not any(other[: len(place)] == place for other in unknown):
        return True
    # Something below is unknown: the error is about names, and about nothing that depends on a value.
    keywords = [str(keyword) for keyword in error.schema_path]
    return keywords[-1] in _OF_NAMES and not _CONDITIONS.intersection(keywords)


def _compile(schema: Mapping[str, Any]) -> "jsonschema_rs.Validator | None":
    options = jsonschema_rs.RegexOptions()
    try:
        if _Weight(schema).of(schema) > MAX_WEIGHT:
            return None
        # The linear-time engine of regular expressions: an upstream's pattern must not be able to stall the loop.
        return jsonschema_rs.validator_for(dict(schema), offline=True, pattern_options=options)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, RecursionError):
        return None


class _Weight:
    """How many parts of a schema one value may be held against: a part counts as often as it is referred to.

    Thirty definitions, each naming the next one twice, make a short schema that takes a billion steps to judge by.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._known: dict[int, int] = {}

    def of(self, part: object) -> int:
        identity = id(part)
        if identity not in self._known:
            self._known[identity] = 1  # a part that refers to itself counts once
            if isinstance(part, list):
                self._known[identity] += sum(map(self.of, cast("list[object]", part)))
            elif isinstance(part, Mapping):
                self._known[identity] += self._of_fields(cast("Mapping[str, object]", part))
        return self._known[identity]

    def _of_fields(self, fields: Mapping[str, object]) -> int:
        weight = sum(map(self.of, fields.values()))
        return weight + sum(self._of_target(fields[key]) for key in _REFERENCES if key in fields)

    def _of_target(self, reference: object) -> int:
        if not isinstance(reference, str):
            return 0  # a property that happens to be called "$ref"
        if reference != "#" and not reference.startswith("#/"):
            return MAX_WEIGHT + 1  # by an anchor or a name, which would have to be looked up
        target: object = self._root
        for step in reference.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(target, list):
                listed = cast("list[object]", target)
                target = listed[int(key)] if key.isdecimal() and int(key) < len(listed) else None
            else:
                target = cast("Mapping[str, object]", target).get(key) if isinstance(target, Mapping) else None
        return self.of(target)
