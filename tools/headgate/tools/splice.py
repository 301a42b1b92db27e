"""Recipes within a batch: a recipe's calls take the place of the call of it.

They go under ids of their own, `ID.sub`, which no request can give to a call. Behind them stands the call itself, which
sends nothing: it *gathers* what they gave. Where its arguments hold references, a step `ID.$` stands before them, which
sends nothing either: it waits for those references and holds the values against the recipe's schema, and the calls
refer to it. So what a reference gives is data to a recipe, as it is to any call, and must be what the recipe takes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from headgate.tools.batch import Batch, Call
from headgate.tools.catalogue import Catalogue, Tool
from headgate.tools.filling import CheckArguments
from headgate.tools.given import opaque
from headgate.tools.keys import part_key
from headgate.tools.outcome import Failure
from headgate.tools.recipe import Later, Recipe, as_tool, defaults, expand, missing, params_in_defaults
from headgate.tools.reference import FROM, Template, scan
from headgate.tools.refusal import Problem

Role = Literal["params", "part", "gather", "unfit"]


@dataclass(frozen=True, slots=True)
class Inside:
    """What a call is to the recipe that put it into the batch."""

    role: Role
    recipe: Tool
    parts: tuple[str, ...] = ()
    """The ids of the calls that it gathers from."""
    fault: Failure | None = None
    """Why the recipe cannot run; it is not put in then."""

    @property
    def shown(self) -> bool:
        """Whether the request knows of it, so that it has an envelope of its own."""
        return self.role in ("gather", "unfit")

    @property
    def sends(self) -> bool:
        """Whether it goes to an upstream."""
        return self.role == "part"


@dataclass(slots=True)
class Spliced:
    """The calls of a batch with those of recipes in their places, and what each is."""

    batch: Batch
    calls: list[Call] = field(default_factory=list[Call])
    places: list[str] = field(default_factory=list[str])
    """Where in the request each comes from."""
    insides: dict[int, Inside] = field(default_factory=dict[int, Inside])
    problems: list[Problem] = field(default_factory=list[Problem])

    @classmethod
    def plain(cls, batch: Batch) -> "Spliced":
        """A batch in which no call is that of a recipe."""
        return cls(batch, [*batch.calls], [f"calls[{index}]" for index in range(len(batch.calls))])

    def add(self, call: Call, where: str, inside: Inside | None = None) -> None:
        """Put one more call at the end."""
        if inside is not None:
            self.insides[len(self.calls)] = inside
        self.calls.append(call)
        self.places.append(where)


def splice(
    batch: Batch, recipes: Mapping[str, Recipe], catalogue: Catalogue, check: CheckArguments, *, max_calls: int
) -> Spliced:
    """`batch` with the calls of recipes in the places of the calls of them, `max_calls` at most in all."""
    if not recipes or not any(call.tool in recipes for call in batch.calls):
        return Spliced.plain(batch)
    spliced = Spliced(batch)
    count = sum(len(recipes[call.tool].calls) if call.tool in recipes else 1 for call in batch.calls)
    if count > max_calls:
        message = f"{count} calls, those of its recipes counted, and at most {max_calls} go into one batch"
        spliced.problems.append(Problem("TOO_MANY_CALLS", "calls", message))
        return spliced
    for index, call in enumerate(batch.calls):
        recipe = recipes.get(call.tool)
        if recipe is None:
            spliced.add(call, f"calls[{index}]")
        else:
            _put_in(spliced, call, f"calls[{index}]", _Use(recipe, as_tool(recipe, catalogue), check))
    return spliced


@dataclass(frozen=True, slots=True)
class _Use:
    """A recipe as one call uses it."""

    recipe: Recipe
    tool: Tool
    check: CheckArguments


def _put_in(spliced: Spliced, call: Call, where: str, use: _Use) -> None:
    template, wrong = scan(call.arguments, f"{where}.arguments")
    spliced.problems.extend(wrong)
    spliced.problems.extend(_unsupported(call, where, template, use.recipe))
    prefix, first = f"{call.id}.", call.depends_on
    if template is None:
        given = defaults(use.recipe) | call.arguments
        unfit = use.check(use.tool, given) or missing(use.recipe, given)
        if unfit:
            spliced.add(call, where, Inside("unfit", use.tool, fault=Failure("error", "INVALID_ARGUMENTS", unfit)))
            return
    else:
        given = _given(use.recipe, call, f"{prefix}$")
        entry = replace(call, id=f"{prefix}$", arguments=_with_defaults(use.recipe, call), select=None)
        spliced.add(entry, where, Inside("params", use.tool))
        first = (entry.id,)
    parts = [_part_of(part, call, first) for part in expand(use.recipe, given, prefix)]
    for part in parts:
        spliced.add(part, where, Inside("part", use.tool))
    # What it depends on, its parts depend on.
    gather = replace(call, arguments={}, depends_on=())
    spliced.add(gather, where, Inside("gather", use.tool, tuple(part.id for part in parts)))


def _unsupported(call: Call, where: str, template: Template | None, recipe: Recipe) -> Iterable[Problem]:
    """What another call may have and that of a recipe may not."""
    if call.for_each is not None:
        message = "for_each is not available for a recipe: list one call for each item"
        yield Problem("NOT_SUPPORTED", f"{where}.for_each", message)
    if template is None:
        return
    if any(reference.speculate for reference in template.references):
        yield Problem("BAD_REFERENCE", f"{where}.arguments", f'"{recipe.name}" is a recipe: it cannot start on a guess')
    for name in sorted(params_in_defaults(recipe)):
        if name in call.arguments and _is_later(call.arguments[name]):
            message = f'the recipe "{recipe.name}" has to know "{name}" when the batch starts: give it as a value'
            yield Problem("NOT_SUPPORTED", f"{where}.arguments.{name}", message)


def _is_later(value: Any) -> bool:
    """Whether an argument is known in the course of the batch only."""
    return scan({"value": value}, "")[0] is not None


def _given(recipe: Recipe, call: Call, entry: str) -> dict[str, Any]:
    """What each param is given as: what is known already as it is, the rest by way of the step `entry`."""
    known = {name: value for name, value in call.arguments.items() if not _is_later(value)}
    by_entry = {name: Later({FROM: entry, "path": f"$['{name}']"}) for name in recipe.params}
    return {**by_entry, **{name: it for name, it in defaults(recipe).items() if name not in call.arguments}, **known}


def _with_defaults(recipe: Recipe, call: Call) -> dict[str, Any]:
    return {**{name: opaque(value) for name, value in defaults(recipe).items()}, **call.arguments}


def _part_of(part: Call, call: Call, first: tuple[str, ...]) -> Call:
    """A call of a recipe with what holds for the recipe as a whole."""
    timeouts = [timeout for timeout in (part.timeout_s, call.timeout_s) if timeout is not None]
    return replace(
        part,
        depends_on=(*part.depends_on, *first),
        timeout_s=min(timeouts, default=None),
        parallel_group=part.parallel_group or call.parallel_group,
        idempotency_key=None if call.idempotency_key is None else part_key(call.idempotency_key, part.id),
    )
