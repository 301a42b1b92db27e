"""What can be told of a recipe's calls before any of them runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from headgate.tools.batch import Call
from headgate.tools.recipe import PARAM, Recipe, defaults
from headgate.tools.reference import FORMAT, FROM, ITEM

Place = tuple[str | int, ...]
"""The way to a value within arguments."""


@dataclass(frozen=True, slots=True)
class Known:
    """A call's arguments, with `None` at each place where nothing is known yet of what will stand there."""

    call: Call
    arguments: Mapping[str, Any]
    unknown: frozenset[Place]


def known_part(recipe: Recipe) -> tuple[Known, ...]:
    """Each call of the recipe as it is where nothing is given but what has to be."""
    return tuple(_known(call, defaults(recipe)) for call in recipe.calls)


def _known(call: Call, params: Mapping[str, Any]) -> Known:
    walk = _Walk(params)
    arguments = {key: walk.of(value, (key,)) for key, value in call.arguments.items()}
    return Known(call, arguments, frozenset(walk.unknown))


@dataclass(frozen=True, slots=True)
class _Walk:
    params: Mapping[str, Any]
    unknown: set[Place] = field(default_factory=set[Place])

    def of(self, value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            found = cast("dict[str, Any]", value)
            if PARAM in found and found[PARAM] in self.params:
                return self.params[found[PARAM]]
            if found.keys() & {PARAM, FROM, ITEM, FORMAT}:
                self.unknown.add(place)
                return None
            return {key: self.of(inner, (*place, key)) for key, inner in found.items()}
        if isinstance(value, list):
            return [self.of(inner, (*place, index)) for index, inner in enumerate(cast("list[Any]", value))]
        return value
