"""Every tool that can be called right now, by any of its names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from heapq import nlargest
from operator import itemgetter
from typing import Any, Literal, cast

from headgate.tools.classify import classify
from headgate.tools.names import SEPARATOR, could_match, matches, offered_name, own_name, with_hash
from headgate.tools.rules import ToolClass, ToolRules, UpstreamRules
from headgate.tools.trust import Concern

_COMPARED = 4
"""Names that are compared letter by letter with one that is unknown."""
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Tool:
    """One upstream tool as headgate offers it."""

    upstream: str
    name: str
    """The upstream's own name for it."""
    qualified: str
    """The name it is offered under, unique in the catalogue."""
    kind: ToolClass
    reason: str
    rules: ToolRules
    definition: Mapping[str, Any]
    """What the upstream declared, untouched."""
    denied: str | None = None
    """Why it cannot be called, as a sentence, where it is there and yet out of use."""
    flag: str | None = None
    """What an operator should know of its definition, as a clause."""

    @property
    def description(self) -> str:
        """The upstream's description, or an empty text."""
        found = self.definition.get("description")
        return found if isinstance(found, str) else ""

    @property
    def input_schema(self) -> Mapping[str, Any]:
        """The JSON Schema of the arguments; one that admits every object where the upstream gave none."""
        found = self.definition.get("inputSchema")
        return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {"type": "object"}


@dataclass(frozen=True, slots=True)
class Listing:
    """What one upstream listed, with its rules. An upstream that is not up has a reason and may have old tools."""

    upstream: str
    rules: UpstreamRules
    definitions: tuple[Mapping[str, Any], ...] = ()
    unavailable: str | None = None
    concerns: Mapping[str, Concern] = field(default_factory=dict[str, Concern])
    """What speaks against definitions, by the upstream's own tool names."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """Why a name stands for no tool."""

    code: Literal["UNKNOWN_TOOL", "UPSTREAM_UNAVAILABLE"]
    """`UNKNOWN_TOOL`, or `UPSTREAM_UNAVAILABLE` where the upstream is not up and so cannot say."""
    message: str


class Catalogue:
    """An immutable snapshot: a later listing makes a new one."""

    def __init__(self, listings: Iterable[Listing] = ()) -> None:
        """Offer every tool that the upstreams' rules admit, in listed order."""
        self._unavailable: dict[str, str | None] = {}
        self._by_name: dict[str, Tool] = {}
        self._by_own_name: dict[tuple[str, str], Tool] = {}
        self._by_bare_name: dict[str, list[Tool]] = {}
        listed = [*listings]
        self._unavailable.update((listing.upstream, listing.unavailable) for listing in listed)
        for listing in listed:
            for definition in listing.definitions:
                self._offer(listing, definition)
        self.tools: tuple[Tool, ...] = tuple(self._by_name.values())

    def _offer(self, listing: Listing, definition: Mapping[str, Any]) -> None:
        name = definition.get("name")
        if not isinstance(name, str) or not name or not listing.rules.admits(name):
            return
        if (listing.upstream, name) in self._by_own_name:
            return
        rules = listing.rules.of(name)
        concern = listing.concerns.get(name)
        kind, reason = classify(definition, rules, concern, trusted=listing.rules.trust_annotations)
        qualified = self._name_for(listing, name)
        denied = None if concern is None or not concern.denies else concern.denial(qualified)
        flag = None if concern is None else concern.reason
        tool = Tool(listing.upstream, name, qualified, kind, reason, rules, definition, denied, flag)
        self._add(tool)

    def _name_for(self, listing: Listing, name: str) -> str:
        """What one tool is offered as. No upstream takes a name that is another's, be that one down by now."""
        upstream = listing.upstream
        qualified = offered_name(upstream, name) if listing.rules.prefix else own_name(upstream, name)
        if not listing.rules.prefix:
            meant, separator, _ = name.partition(SEPARATOR)
            if qualified in self._by_name or (separator and meant != upstream and meant in self._unavailable):
                qualified = offered_name(upstream, name)
        if qualified in self._by_name:
            qualified = with_hash(qualified, f"{upstream}{SEPARATOR}{name}")
        return qualified

    def only(self, globs: Sequence[str]) -> "Catalogue":
        """The part of it whose names match one of `globs`; nothing in it tells of the rest."""
        part = Catalogue()
        for upstream, reason in self._unavailable.items():
            if any(could_match(upstream, glob) for glob in globs):
                part._unavailable[upstream] = reason
        for (upstream, name), tool in self._by_own_name.items():
            if matches(tool.qualified, globs) or matches(f"{upstream}{SEPARATOR}{name}", globs):
                part._add(tool)
        part.tools = tuple(part._by_name.values())
        return part

    def _add(self, tool: Tool) -> None:
        self._unavailable.setdefault(tool.upstream, None)
        self._by_name[tool.qualified] = tool
        self._by_own_name[tool.upstream, tool.name] = tool
        self._by_bare_name.setdefault(tool.name, []).append(tool)

    @property
    def upstreams(self) -> frozenset[str]:
        """The upstreams that it is of."""
        return frozenset(self._unavailable)

    @property
    def complete(self) -> bool:
        """Whether each upstream has said what it offers, so that what is not found is nowhere."""
        return not any(self._unavailable.values())

    def find(self, name: str) -> Tool | NotFound:
        """The tool called `upstream__tool`, `upstream.tool`, or by its bare name where that is unique."""
        tool = self._by_name.get(name)
        if tool is not None:
            return tool
        for separator in (SEPARATOR, "."):
            upstream, found, own = name.partition(separator)
            if found and upstream in self._unavailable:
                return self._by_own_name.get((upstream, own)) or self._missing_in(upstream, own)
        bare = self._by_bare_name.get(name, [])
        if len(bare) == 1:
            return bare[0]
        if bare:
            names = ", ".join(tool.qualified for tool in bare)
            return NotFound("UNKNOWN_TOOL", f'"{name}" could be any of {names}: use the full name')
        return self._unknown(name)

    def upstream_named_in(self, name: str) -> str | None:
        """The upstream that `name` is qualified with, where there is one of that name."""
        for separator in (SEPARATOR, "."):
            upstream, found, _ = name.partition(separator)
            if found and upstream in self._unavailable:
                return upstream
        tool = self._by_name.get(name)
        return None if tool is None else tool.upstream

    def _missing_in(self, upstream: str, own: str) -> NotFound:
        reason = self._unavailable[upstream]
        if reason is not None:
            return NotFound("UPSTREAM_UNAVAILABLE", f'upstream "{upstream}" is not available: {reason}')
        names = [tool.name for tool in self.tools if tool.upstream == upstream]
        return NotFound("UNKNOWN_TOOL", f'upstream "{upstream}" has no tool "{own}"{_nearest(own, names)}')

    def _unknown(self, name: str) -> NotFound:
        return NotFound(
            "UNKNOWN_TOOL", f'no tool is called "{name}"{_nearest(name, [*self._by_name, *self._by_bare_name])}'
        )


def _nearest(name: str, names: Iterable[str]) -> str:
    wanted = _beginnings(name)
    shared = ((len(wanted & _beginnings(other)), other) for other in names)
    # Comparing letter by letter is dear, and a batch may hold many unknown names: only the most alike are compared.
    likely = [other for count, other in nlargest(_COMPARED, shared, key=itemgetter(0)) if count]
    close = get_close_matches(name, likely, n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else "; find_tools searches the tools by words"


@lru_cache(maxsize=8192)
def _beginnings(name: str) -> frozenset[str]:
    """How each word in `name` begins."""
    return frozenset(word[:length] for word in _WORD.findall(name.lower()) for length in (1, 2, 4))
