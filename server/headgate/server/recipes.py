"""The operator's recipes as they stand: the tools that they are, the batches that they become, what is wrong with them.

A recipe's own faults end the reading of the settings. What is wrong with it by the catalogue never does: an upstream
may be another tomorrow, and the rest of headgate works without that recipe.
"""

from collections.abc import Mapping
from typing import Any

from headgate.proxy.arguments import ArgumentChecker
from headgate.server.callers import OPERATOR, Caller
from headgate.tools.batch import Batch
from headgate.tools.catalogue import Catalogue, Tool
from headgate.tools.depth import depth_of
from headgate.tools.known import Known, known_part
from headgate.tools.recipe import Recipe, as_tool, defaults, expand
from headgate.tools.reference import MAX_DEPTH
from headgate.tools.refusal import Problem, Refusal


class Recipes:
    """The recipes of one gate."""

    def __init__(self, recipes: Mapping[str, Recipe]) -> None:
        """They are sound in themselves."""
        self._recipes = recipes
        self._arguments = ArgumentChecker()
        self._tools = {name: as_tool(recipe, Catalogue()) for name, recipe in recipes.items()}

    def __contains__(self, name: object) -> bool:
        """Whether there is a recipe of that name."""
        return name in self._recipes

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._recipes)

    def of(self, caller: Caller) -> Mapping[str, Recipe]:
        """Those that are there for a caller. What they call has to be the caller's too, or it is not there."""
        if not caller.restricted:
            return self._recipes
        return {name: recipe for name, recipe in self._recipes.items() if caller.may_use(name)}

    def tools(self, catalogue: Catalogue, caller: Caller = OPERATOR) -> tuple[Tool, ...]:
        """Each recipe of the caller's as a tool; a read where each of its calls is one by `catalogue`."""
        return tuple(as_tool(recipe, catalogue) for recipe in self.of(caller).values())

    def batch(self, name: str, arguments: Mapping[str, Any]) -> Batch | Refusal:
        """The batch that a recipe is with these arguments, or what is wrong with them."""
        recipe = self._recipes[name]
        whole = {**defaults(recipe), **arguments}
        if depth_of(whole, MAX_DEPTH) > MAX_DEPTH:
            return Refusal((Problem("TOO_DEEP", "", f"{name} takes arguments of {MAX_DEPTH} levels at most"),))
        wrong = self._arguments.check(self._tools[name], whole)
        if wrong is not None:
            return Refusal((Problem("INVALID_REQUEST", "", wrong),))
        return Batch(expand(recipe, whole))

    def tools_in(self, batch: Batch) -> list[str]:
        """The names of the tools that the calls of `batch` are of, and those of its recipes."""
        recipes = self._recipes
        calls = (recipes[call.tool].calls if call.tool in recipes else (call,) for call in batch.calls)
        return [call.tool for some in calls for call in some]

    def faults(self, catalogue: Catalogue) -> tuple[str, ...]:
        """What `catalogue` has against the recipes, as far as it can be known before they run; a sentence each."""
        return tuple(
            f'recipe "{recipe.name}", call "{known.call.id}": {fault}'
            for recipe in self._recipes.values()
            for known in known_part(recipe)
            if (fault := self._fault_of(known, catalogue)) is not None
        )

    def _fault_of(self, known: Known, catalogue: Catalogue) -> str | None:
        tool = catalogue.find(known.call.tool)
        if isinstance(tool, Tool):
            if tool.denied is not None:
                return tool.denied
            return self._arguments.check_known(tool, known.arguments, known.unknown)
        if tool.code == "UPSTREAM_UNAVAILABLE":
            return None  # which is told of the upstream
        named = catalogue.upstream_named_in(known.call.tool) is not None
        return tool.message if named or catalogue.complete else None
