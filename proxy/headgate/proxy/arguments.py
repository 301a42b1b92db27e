"""Whether a tool's schema takes a call's arguments. Each schema is compiled once, when it is first needed."""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from headgate.tools.catalogue import Tool

MAX_NAMED = 3
"""Faults that a message names."""
_MAX_FAULT = 200


class ArgumentChecker:
    """Compiled schemas by tool, for as long as the tool's definition stays the same."""

    def __init__(self) -> None:
        """Nothing compiled yet."""
        self._compiled: dict[tuple[str, str], tuple[Mapping[str, Any], jsonschema_rs.Validator | None]] = {}

    def check(self, tool: Tool, arguments: Mapping[str, Any]) -> str | None:
        """What is wrong with `arguments`, as a sentence; `None` where nothing is.

        A schema that cannot be compiled, or that points outside itself, judges nothing: the upstream will.
        """
        validator = self._validator_of(tool)
        if validator is None or validator.is_valid(arguments):
            return None
        faults: list[str] = []
        for error in validator.iter_errors(arguments):
            where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
            fault = f"{where.removeprefix('.')}: {error.message}" if where else error.message
            faults.append(fault if len(fault) <= _MAX_FAULT else f"{fault[:_MAX_FAULT]}…")
            if len(faults) == MAX_NAMED:
                break
        return f"{tool.qualified} does not take these arguments: {'; '.join(faults)}"

    def _validator_of(self, tool: Tool) -> "jsonschema_rs.Validator | None":
        key = (tool.upstream, tool.name)
        found = self._compiled.get(key)
        if found is None or found[0] is not tool.definition:
            found = self._compiled[key] = (tool.definition, _compile(tool.input_schema))
        return found[1]


def _compile(schema: Mapping[str, Any]) -> "jsonschema_rs.Validator | None":
    options = jsonschema_rs.RegexOptions()
    try:
        # The linear-time engine of regular expressions: an upstream's pattern must not be able to stall the loop.
        return jsonschema_rs.validator_for(dict(schema), offline=True, pattern_options=options)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, RecursionError):
        return None
