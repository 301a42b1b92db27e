"""Recipes: graphs of calls that an operator wrote down, each offered as one tool whose arguments fill its slots.

Any value in the arguments of a recipe's calls may be `{"$param": NAME}`, and so may a `for_each`. What a param stands
for is data: an object or a list goes in as a `Given`, at which nothing looks for references, and nothing else can be
one. So no argument can make a recipe do anything but what its operator wrote.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from headgate.tools.batch import Call
from headgate.tools.catalogue import Catalogue, NotFound, Tool
from headgate.tools.given import opaque
from headgate.tools.rules import ToolClass, ToolRules

PARAM = "$param"
_FROM, _DEFAULT = "$from", "default"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One recipe, known to be sound in itself; whether its tools exist is for the catalogue to say."""

    name: str
    description: str
    params: Mapping[str, Mapping[str, Any]]
    """The JSON Schema of each; one with a `default` need not be given."""
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Later:
    """What a param is given as that is known in the course of a batch only."""

    reference: dict[str, Any]
    """To the value."""


def input_schema(recipe: Recipe) -> dict[str, Any]:
    """The JSON Schema of a recipe's arguments."""
    required = [name for name, schema in recipe.params.items() if _DEFAULT not in schema]
    return {
        "type": "object",
        "properties": {name: dict(schema) for name, schema in recipe.params.items()},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def defaults(recipe: Recipe) -> dict[str, Any]:
    """The params that need not be given, as they then are."""
    return {name: schema[_DEFAULT] for name, schema in recipe.params.items() if _DEFAULT in schema}


def as_tool(recipe: Recipe, catalogue: Catalogue) -> Tool:
    """The recipe as one tool among those of `catalogue`. It belongs to no upstream."""
    kind, reason = _classified(recipe, catalogue)
    annotations = {"readOnlyHint": True} if kind == "read" else {"readOnlyHint": False, "destructiveHint": True}
    definition = {
        "name": recipe.name,
        "description": recipe.description,
        "inputSchema": input_schema(recipe),
        "annotations": annotations,
    }
    return Tool("", recipe.name, recipe.name, kind, reason, ToolRules(), definition)


def _classified(recipe: Recipe, catalogue: Catalogue) -> tuple[ToolClass, str]:
    """A recipe is a read where each of its calls is known to be one."""
    for call in recipe.calls:
        tool = catalogue.find(call.tool)
        if isinstance(tool, NotFound):
            return "write", f'its call "{call.id}" is of a tool that is not known'
        if tool.kind == "write":
            return "write", f'its call "{call.id}" is a write'
    return "read", "each of its calls is a read"


def missing(recipe: Recipe, arguments: Mapping[str, Any]) -> str | None:
    """Which params are not among `arguments`, as a sentence, for where a schema cannot be judged by."""
    names = [f'"{name}"' for name in recipe.params if name not in arguments]
    return f"{recipe.name} needs {', '.join(names)}" if names else None


def params_in_defaults(recipe: Recipe) -> frozenset[str]:
    """The params that are part of a reference's default, which has to be known when a batch starts."""
    found: set[str] = set()
    pending: list[tuple[Any, bool]] = [(call.arguments, False) for call in recipe.calls]
    while pending:
        value, within = pending.pop()
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            if PARAM in fields and within:
                found.add(fields[PARAM])
            pending += [(it, within or (key == _DEFAULT and _FROM in fields)) for key, it in fields.items()]
        elif isinstance(value, list):
            pending += [(it, within) for it in cast("list[Any]", value)]
    return frozenset(found)


def expand(recipe: Recipe, arguments: Mapping[str, Any], prefix: str = "") -> tuple[Call, ...]:
    """The recipe's calls with `arguments`, one for each of its params, in their places as data.

    What is `Later` cannot be part of a default: see `params_in_defaults`. `prefix` stands before each id, so that the
    calls can be put among others.
    """
    filling = _Filling(arguments, prefix)
    return tuple(
        replace(
            call,
            id=prefix + call.id,
            arguments={key: filling.of(value) for key, value in call.arguments.items()},
            depends_on=tuple(prefix + earlier for earlier in call.depends_on),
            for_each=None if call.for_each is None else filling.items(call.for_each),
        )
        for call in recipe.calls
    )


@dataclass(frozen=True, slots=True)
class _Filling:
    """One walk over what an operator wrote."""

    arguments: Mapping[str, Any]
    prefix: str

    def of(self, value: Any) -> Any:
        """`value` with params in their places and ids as they are called in the batch."""
        if isinstance(value, dict):
            found = cast("dict[str, Any]", value)
            if PARAM in found:
                return self._param(found)
            return self._reference(found) if _FROM in found else {key: self.of(it) for key, it in found.items()}
        if isinstance(value, list):
            return [self.of(inner) for inner in cast("list[Any]", value)]
        return value

    def _param(self, found: Mapping[str, Any]) -> Any:
        value = self.arguments[found[PARAM]]
        return value.reference if isinstance(value, Later) else opaque(value)

    def items(self, value: list[Any] | dict[str, Any]) -> Any:
        """What `for_each` says; the items of a param are data each."""
        if isinstance(value, dict) and PARAM in value:
            items = self.arguments[value[PARAM]]
            return items.reference if isinstance(items, Later) else [opaque(item) for item in items]
        return self.of(value)

    def _reference(self, found: Mapping[str, Any]) -> dict[str, Any]:
        filled = {key: self.of(inner) for key, inner in found.items() if key != _DEFAULT}
        if isinstance(found[_FROM], str):
            filled[_FROM] = self.prefix + found[_FROM]
        if _DEFAULT in found:
            filled[_DEFAULT] = self._data(found[_DEFAULT])
        return filled

    def _data(self, value: Any) -> Any:
        """The default of a reference, which is data already: params in their places, and nothing else touched."""
        if isinstance(value, dict):
            found = cast("dict[str, Any]", value)
            if PARAM in found:
                return self.arguments[found[PARAM]]
            return {key: self._data(inner) for key, inner in found.items()}
        if isinstance(value, list):
            return [self._data(inner) for inner in cast("list[Any]", value)]
        return value
