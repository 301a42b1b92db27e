"""The calls of a recipe as they are written, and the slots in them: `{ "$param" = NAME }`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, cast

from headgate.server.settings.lines import KeyPath
from headgate.server.settings.params import not_json
from headgate.server.settings.problems import Findings
from headgate.server.settings.values import shown
from headgate.tools.coerce import CALL_FIELDS
from headgate.tools.recipe import PARAM


@dataclass(frozen=True, slots=True)
class SlotReader:
    """Reads calls one by one. What is wrong is told, and taken out so that the rest can still be looked at."""

    params: Mapping[str, Any] | None
    """The recipe's params; None where they are not known, so that any will do."""
    findings: Findings
    used: set[str] = field(default_factory=set[str])
    """The params that have a slot."""

    def call(self, path: KeyPath, written: Mapping[str, Any]) -> dict[str, Any]:
        """The call at `path` with known fields only, and slots only where there may be some."""
        for place, wrong in not_json(written, path):
            self.findings.problem(place, wrong)
        call: dict[str, Any] = {}
        for key, value in written.items():
            place = (*path, key)
            match key:
                case "arguments" if isinstance(value, dict):
                    call[key] = self._arguments(cast("dict[str, Any]", value), place)
                case "arguments":
                    self.findings.problem(place, "arguments are a table: write { NAME = VALUE, … }")
                case "for_each":
                    call[key] = self._items(value, place)
                case _ if key in CALL_FIELDS:
                    call[key] = self._without_slots(value, place)
                case _:
                    self._tell_unknown(place)
        return call

    def _tell_unknown(self, path: KeyPath) -> None:
        near = get_close_matches(str(path[-1]).lower(), CALL_FIELDS, n=1, cutoff=0.6)
        known = f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(sorted(CALL_FIELDS))}"
        self.findings.problem(path, f"unknown key; {known}")

    def _without_slots(self, value: Any, path: KeyPath) -> Any:
        if PARAM not in _keys(value):
            return value
        self.findings.problem(path, f"{PARAM} stands in arguments and as for_each only")
        return None

    def _items(self, value: Any, path: KeyPath) -> Any:
        """What `for_each` says. A param in its place has to be a list, whatever it is given as."""
        found = self._value(value, path)
        if found is not None and PARAM in _keys(found) and self.params is not None:
            schema: Any = self.params[found[PARAM]]
            if isinstance(schema, dict) and cast("dict[str, Any]", schema).get("type") != "array":
                self.findings.problem(path, 'for_each takes a list: the param needs type = "array"')
        return found

    def _arguments(self, arguments: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        if PARAM in arguments:
            self.findings.problem(path, f"{PARAM} stands for the value of an argument, not for all arguments")
            return {}
        return {key: self._value(value, (*path, key)) for key, value in arguments.items()}

    def _value(self, value: object, path: KeyPath) -> Any:
        if isinstance(value, dict):
            found = cast("dict[str, Any]", value)
            if PARAM in found:
                return self._slot(found, path)
            return {key: self._value(inner, (*path, key)) for key, inner in found.items()}
        if isinstance(value, list):
            listed = cast("list[object]", value)
            return [self._value(inner, (*path, place)) for place, inner in enumerate(listed)]
        return value

    def _slot(self, found: dict[str, Any], path: KeyPath) -> Any:
        name = found[PARAM]
        if not isinstance(name, str) or len(found) > 1:
            self.findings.problem(path, f'a slot is {{ "{PARAM}" = NAME }} and nothing beside it')
            return None
        self.used.add(name)
        if self.params is not None and name not in self.params:
            near = get_close_matches(name, self.params, n=1, cutoff=0.6)
            there = f'did you mean "{near[0]}"?' if near else "the recipe's params are those under params = { … }"
            self.findings.problem(path, f"no param is called {shown(name)}; {there}")
            return None
        return found


def _keys(value: object) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
