"""Looking at each call of a batch by itself: its tool, what it refers to, what is wrong with it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from headgate.tools.batch import OWN_TOOLS, Call
from headgate.tools.catalogue import Catalogue, NotFound, Tool
from headgate.tools.fan import MAX_ITEMS, too_many
from headgate.tools.filling import Asked, CheckArguments, arguments_of
from headgate.tools.jsonpath import BadPathError, compile_path
from headgate.tools.outcome import Failure
from headgate.tools.reference import FROM, Reference, Template, is_flat, scan
from headgate.tools.refusal import Problem
from headgate.tools.rules import ToolClass
from headgate.tools.splice import Inside


@dataclass(frozen=True, slots=True)
class Draft:
    """A call with what it asks for itself, before its place in the order is known. Numbers are positions."""

    call: Call
    asked: Asked | None
    """What it is sent with; `None` where there is no such tool."""
    fault: Failure | None
    needs: tuple[int, ...]
    """Calls that must end ok first."""
    soft: tuple[int, ...]
    """Calls that must have ended first."""
    guesses: tuple[int, ...]
    """Calls that it does not wait for."""
    upstream: str
    """The upstream that it is meant for, also where that has no such tool; empty where the name says nothing of it."""
    inside: Inside | None = None
    """What it is to a recipe."""

    @property
    def tool(self) -> Tool | None:
        """Its tool, where there is one."""
        return None if self.asked is None else self.asked.tool

    @property
    def kind(self) -> ToolClass:
        """Its tool's class; a write where there is no such tool."""
        return "write" if self.asked is None else self.asked.tool.kind

    @property
    def waits(self) -> tuple[int, ...]:
        """Every call that it stands behind."""
        return self.needs + self.soft + self.guesses


_Waits = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
_NO_WAITS: _Waits = ((), (), ())


@dataclass(frozen=True, slots=True)
class Drafting:
    """Drafts calls one by one, and gathers what is wrong with any."""

    catalogue: Catalogue
    check_arguments: CheckArguments
    positions: Mapping[str, int]
    """Of the calls, by id."""
    problems: list[Problem] = field(default_factory=list[Problem])

    def draft(self, where: str, call: Call) -> Draft:
        """Look at `call`, which stands at `where` in the request."""
        template, wrong = scan(call.arguments, f"{where}.arguments", items=call.for_each is not None)
        self.problems.extend(wrong)
        each = None if call.for_each is None else self._each(call.for_each, f"{where}.for_each")
        if call.select is not None:
            self.problems.extend(_bad_paths(call, where))
        if call.tool in OWN_TOOLS:
            self.problems.append(Problem("NESTED_BATCH", f"{where}.tool", f"{call.tool} cannot be part of a batch"))
        waits = _NO_WAITS
        if template is not None or each is not None or call.depends_on:
            waits = self._waits_of(call, [*_references(template), *_references(each)], where)
        tool = self.catalogue.find(call.tool)
        if isinstance(tool, NotFound):
            upstream = self.catalogue.upstream_named_in(call.tool) or ""
            return Draft(call, None, Failure("error", tool.code, tool.message), *waits, upstream)
        asked = Asked(call, tool, template, each)
        if tool.denied is not None:
            return Draft(call, asked, Failure("error", "DENIED", tool.denied), *waits, tool.upstream)
        if template is None and each is None:
            return Draft(call, asked, unfit(tool, call, self.check_arguments), *waits, tool.upstream)
        self._check_speculation(asked, where)
        return Draft(call, asked, self._fault_of(asked), *waits, tool.upstream)

    def draft_inside(self, where: str, call: Call, inside: Inside) -> Draft:
        """Look at `call`, which a recipe put into the place `where`."""
        if inside.role == "part":
            return replace(self.draft(where, call), inside=inside)
        if call.select is not None:
            self.problems.extend(_bad_paths(call, where))
        template = scan(call.arguments, where)[0] if inside.role == "params" else None
        needs, soft, guesses = self._waits_of(call, [*_references(template)], where)
        parts = self._positions_of(inside.parts)
        asked = Asked(call, inside.recipe, template, None)
        return Draft(call, asked, inside.fault, needs, soft + parts, guesses, "", inside)

    def _fault_of(self, asked: Asked) -> Failure | None:
        # A broken reference cannot be filled in, and the batch is refused whatever else is wrong with it.
        if self.problems or not asked.known:
            return None
        arguments = arguments_of(asked, {}, self.check_arguments)
        return arguments if isinstance(arguments, Failure) else None

    def _each(self, items: list[Any] | Mapping[str, Any], where: str) -> list[Any] | Template | None:
        template, wrong = scan(items, where)
        self.problems.extend(wrong)
        if isinstance(items, list):
            if len(items) > MAX_ITEMS:
                self.problems.append(Problem("TOO_MANY_CALLS", where, too_many(len(items))))
            return template or items
        if FROM not in items:
            self.problems.append(Problem("BAD_REFERENCE", where, "for_each takes a list, or a reference to one"))
        return template

    def _check_speculation(self, asked: Asked, where: str) -> None:
        if not any(reference.speculate for part in (asked.template, asked.each) for reference in _references(part)):
            return
        if asked.tool.kind == "write":
            message = f'"{asked.tool.qualified}" is a write: it cannot start on a guess'
            self.problems.append(Problem("BAD_REFERENCE", where, message))
        if asked.each is not None:
            message = '"speculate" and "for_each" do not go together: which items there are must be known'
            self.problems.append(Problem("BAD_REFERENCE", where, message))

    def _waits_of(self, call: Call, references: list[Reference], where: str) -> _Waits:
        """The calls that must end ok before `call`, those that only must have ended, and those it guesses about."""
        hard = dict.fromkeys([*call.depends_on, *(ref.source for ref in references if ref.default is None)])
        soft = dict.fromkeys(ref.source for ref in references if ref.source not in hard and not ref.speculate)
        guessed = dict.fromkeys(ref.source for ref in references if ref.source not in hard and ref.source not in soft)
        self.problems.extend(
            Problem("UNKNOWN_ID", where, f'it waits for "{identity}", and no call has that id')
            for identity in (*hard, *soft, *guessed)
            if identity not in self.positions
        )
        return (self._positions_of(hard), self._positions_of(soft), self._positions_of(guessed))

    def _positions_of(self, ids: Iterable[str]) -> tuple[int, ...]:
        return tuple(self.positions[identity] for identity in ids if identity in self.positions)


def is_plain(call: Call) -> bool:
    """Whether `call` says nothing but its tool and flat values for its arguments."""
    if call.depends_on or call.for_each is not None or call.select is not None or call.parallel_group is not None:
        return False
    return call.tool not in OWN_TOOLS and is_flat(call.arguments)


def unfit(tool: Tool, call: Call, check_arguments: CheckArguments) -> Failure | None:
    """Why the tool does not take the call's arguments, which hold no references."""
    wrong = check_arguments(tool, call.arguments)
    return Failure("error", "INVALID_ARGUMENTS", wrong) if wrong else None


def _references(part: list[Any] | Template | None) -> tuple[Reference, ...]:
    return part.references if isinstance(part, Template) else ()


def _bad_paths(call: Call, where: str) -> Iterable[Problem]:
    selected = (call.select,) if isinstance(call.select, str) else call.select or ()
    for path in selected:
        try:
            compile_path(path)
        except BadPathError as bad:
            yield Problem("BAD_REFERENCE", f"{where}.select", str(bad))
