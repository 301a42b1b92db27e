"""Whether a tool's definition is what it was when it was trusted, and what follows where it is not."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

from headgate.tools.depth import depth_of
from headgate.tools.rules import Pinning, ToolClass
from headgate.tools.schema import harm_in

PINNED = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
"""What of a definition a model or a person goes by."""
MAX_DEPTH = 200
"""Levels of nesting that a whole definition may have."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A definition as it was when it was first seen or last accepted."""

    sha256: str
    """Of the pinned parts of the definition, written canonically."""
    kind: ToolClass
    """What the tool was then taken for."""
    definition: Mapping[str, Any]
    """The pinned parts."""


@dataclass(frozen=True, slots=True)
class Concern:
    """What speaks against one definition."""

    reason: str
    """A clause, to stand beside the reason of a class."""
    advice: str
    """The same to whoever wants to use the tool, and what can be done."""
    denies: bool = False
    """Whether the tool is out of use for it."""
    doubts: bool = False
    """Whether what the tool's annotations say is not believed for it."""

    def denial(self, tool: str) -> str:
        """What is told to whoever calls `tool`, where it is out of use."""
        return f"{tool} is out of use: {self.advice}"


def pin_of(definition: Mapping[str, Any], kind: ToolClass) -> Pin:
    """The pin of a definition, whose nesting is bounded."""
    parts = {key: definition[key] for key in PINNED if key in definition}
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return Pin(sha256(canonical.encode()).hexdigest(), kind, parts)


def harm_of(definition: Mapping[str, Any]) -> str | None:
    """What is wrong with a definition in itself, as a clause: nobody should have to work with it."""
    schema = definition.get("inputSchema")
    if isinstance(schema, Mapping):
        harm = harm_in(cast("Mapping[str, Any]", schema))
        if harm is not None:
            return f"its input schema {harm}"
    if depth_of(definition, MAX_DEPTH) > MAX_DEPTH:
        return f"its definition is nested more than {MAX_DEPTH} levels deep"
    return None


def unfit(harm: str) -> Concern:
    """The concern about a definition that is not fit for use, as `harm_of` says."""
    advice = f"{harm}. With check_arguments = false for it in headgate.toml, it is called without a look at its schema"
    return Concern(harm, advice, denies=True)


def changed(pinning: Pinning, lock: str | None) -> Concern:
    """The concern about a definition that is not the pinned one; `lock` is the name of the file where that stands."""
    since = "was trusted" if lock else "was first seen"
    reason = f"its definition changed since it {since}"
    return Concern(reason, f"{reason}{_look(lock)}", denies=pinning == "strict", doubts=True)


def not_accepted(lock: str) -> Concern:
    """The concern about a definition that nobody has accepted, where somebody has to."""
    reason = f"its definition is not in {lock} yet"
    return Concern(reason, f"{reason}{_look(lock)}", denies=True, doubts=True)


def not_known(pinning: Pinning, lock: str) -> Concern:
    """The concern about every definition, where the lock file cannot be read."""
    reason = f"{lock} cannot be read, so whether its definition changed is not known"
    return Concern(reason, f"{reason}{_look(lock)}", denies=pinning == "strict", doubts=True)


def too_many(pinning: Pinning, most: int) -> Concern:
    """The concern about a tool that is new, of an upstream that has had `most` others."""
    reason = f"its upstream has had {most:,} other tools, and no more are pinned"
    return Concern(reason, reason, denies=pinning == "strict", doubts=True)


def _look(lock: str | None) -> str:
    return '. "headgate trust" shows it to the operator, who can accept it' if lock else ""
