"""Whether a tool's schema takes a call's arguments. Each schema is compiled once, when it is first needed.

A schema comes from an upstream, and by way of references so may arguments. So what judging may cost is told before it
is done, from the weight of the schema and the size of the arguments; where it would take too long, the upstream judges.
So it does where judging by one schema takes too much of everybody's time altogether.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic_ns, thread_time_ns
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from headgate.tools.catalogue import Tool
from headgate.tools.depth import depth_of
from headgate.tools.extent import MAX_NODES, extent_of
from headgate.tools.schema import Weight, harm_in, weigh

if TYPE_CHECKING:
    from headgate.tools.known import Place

MAX_NAMED = 3
"""Faults that a message names."""
MAX_NS = 100_000_000
"""What holding arguments against a schema may cost at worst, in nanoseconds."""
_NOTICED_NS = 1_000_000
"""What costs less is not even measured."""
_SHARE = 0.05
"""Of all time, that judging by one schema may take in the long run, and in between MAX_NS at once."""
_STEP_NS = 50
"""One part of a schema against one value, at worst: an object that is compared with another."""
_FAULT_NS = 10_000
"""The same where it is gathered what is wrong: each fault carries a copy of the value that it is about."""
_COPIED_NS = 5
"""One character in such a copy."""
_ENGINES = ((50_000, 1_000), (1_000_000, 100_000))
"""Bytes that a compiled pattern may have, and what it then takes for one character at worst, in nanoseconds."""
_MAX_PATTERNS = 100
_MAX_PATTERN_CHARACTERS = 20_000
_DEEP = 20
_MAX_FAULT = 200
_OF_NAMES = ("required", "additionalProperties")
_CONDITIONS = frozenset(("then", "else"))


class ArgumentChecker:
    """Compiled schemas by tool, for as long as the tool's definition stays the same."""

    def __init__(self) -> None:
        """Nothing compiled yet."""
        self._compiled: dict[tuple[str, str], tuple[Mapping[str, Any], _Judge | None]] = {}

    def check(self, tool: Tool, arguments: Mapping[str, Any]) -> str | None:
        """What is wrong with `arguments`, as a sentence; `None` where nothing is.

        A schema that cannot be compiled, that points outside itself, or that takes too long to judge by, judges
        nothing: the upstream will.
        """
        return self.check_known(tool, arguments, ())

    def check_known(self, tool: Tool, arguments: Mapping[str, Any], unknown: "Collection[Place]") -> str | None:
        """What will be wrong with `arguments` whatever comes to stand at the places `unknown`, at which is `None`."""
        judge = self._judge_of(tool)
        cost_ns = MAX_NS + 1 if judge is None else judge.cost_ns(arguments)
        if judge is None or cost_ns > MAX_NS:
            return None
        if cost_ns < _NOTICED_NS:
            return _judged(judge, tool, arguments, unknown)
        if judge.patience.is_over():
            return None
        began_ns = thread_time_ns()
        try:
            return _judged(judge, tool, arguments, unknown)
        finally:
            judge.patience.spend(thread_time_ns() - began_ns)

    def _judge_of(self, tool: Tool) -> "_Judge | None":
        if not tool.rules.check_arguments:
            return None
        key = (tool.upstream, tool.name)
        found = self._compiled.get(key)
        if found is None or found[0] is not tool.definition:
            found = self._compiled[key] = (tool.definition, _compile(tool.input_schema))
        return found[1]


class _Patience:
    """What time judging by one schema may take."""

    __slots__ = ("_at_ns", "_spent_ns")

    def __init__(self) -> None:
        self._spent_ns = 0.0
        self._at_ns = monotonic_ns()

    def is_over(self) -> bool:
        now_ns = monotonic_ns()
        self._spent_ns = max(self._spent_ns - (now_ns - self._at_ns) * _SHARE, 0.0)
        self._at_ns = now_ns
        return self._spent_ns >= MAX_NS

    def spend(self, spent_ns: int) -> None:
        self._spent_ns += spent_ns


@dataclass(frozen=True, slots=True)
class _Judge:
    """A compiled schema, and what judging by it costs."""

    validator: jsonschema_rs.Validator
    weight: Weight
    character_ns: int
    patience: _Patience = field(default_factory=_Patience)

    def cost_ns(self, arguments: Mapping[str, Any]) -> int:
        """What it may take to tell whether `arguments` fit."""
        nodes, characters = extent_of(arguments)
        if nodes > MAX_NODES:
            return MAX_NS + 1
        return self.weight.parts * nodes * _STEP_NS + self.weight.texts * characters * self.character_ns

    def errors(self, arguments: Mapping[str, Any]) -> Iterable["jsonschema_rs.ValidationError"] | None:
        """Why they do not fit; `None` where it would take too long to say. The library gathers all, or only the first.

        Of alternatives, what is wrong with each is gathered, and within it again: where they refer to themselves, that
        doubles with each level of the arguments.
        """
        nodes, characters = extent_of(arguments)
        depth = depth_of(arguments, _DEEP)
        rounds = self.weight.laps**depth if self.weight.collects and self.weight.laps > 1 else 1
        once_ns = depth * (nodes * _FAULT_NS + characters * _COPIED_NS)
        if self.weight.parts * rounds * once_ns <= MAX_NS:
            return self.validator.iter_errors(arguments)
        return None if self.weight.collects else self._first(arguments)

    def _first(self, arguments: Mapping[str, Any]) -> Sequence["jsonschema_rs.ValidationError"]:
        try:
            self.validator.validate(arguments)
        except jsonschema_rs.ValidationError as error:
            return [error]
        return []


def _judged(judge: _Judge, tool: Tool, arguments: Mapping[str, Any], unknown: "Collection[Place]") -> str | None:
    try:
        if judge.validator.is_valid(arguments):
            return None
        errors = judge.errors(arguments)
        if errors is None:
            return None if unknown else f"{_not_taken(tool)}: they do not fit its input schema"
        faults = [error for error in errors if _holds(error, unknown)] if unknown else errors
        return _told(tool, faults) if faults else None
    except (ValueError, OverflowError, RecursionError):
        return None  # half a surrogate pair, or a number of a million digits: nobody could send it either


def _not_taken(tool: Tool) -> str:
    return f"{tool.qualified} does not take these arguments"


def _told(tool: Tool, errors: Iterable["jsonschema_rs.ValidationError"]) -> str:
    faults: list[str] = []
    for error in islice(errors, MAX_NAMED):
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
        fault = f"{where.removeprefix('.')}: {error.message}" if where else error.message
        faults.append(fault if len(fault) <= _MAX_FAULT else f"{fault[:_MAX_FAULT]}…")
    return f"{_not_taken(tool)}: {'; '.join(faults)}"


def _holds(error: "jsonschema_rs.ValidationError", unknown: "Collection[Place]") -> bool:
    """Whether `error` stays one whatever stands at the places `unknown`."""
    place = tuple(error.instance_path)
    if any(place[: len(other)] == other for other in unknown):
        return False
    if not any(other[: len(place)] == place for other in unknown):
        return True
    # Something below is unknown: the error is about names, and about nothing that depends on a value.
    keywords = [str(keyword) for keyword in error.schema_path]
    return keywords[-1] in _OF_NAMES and not _CONDITIONS.intersection(keywords)


def _compile(schema: Mapping[str, Any]) -> _Judge | None:
    """What judges by `schema`; `None` where nothing can. Never fetches anything."""
    weight = weigh(schema) if harm_in(schema) is None else None
    if weight is None or len(weight.patterns) > _MAX_PATTERNS:
        return None
    if sum(map(len, weight.patterns)) > _MAX_PATTERN_CHARACTERS:
        return None
    for size, character_ns in _ENGINES:
        # The linear-time engine of regular expressions: an upstream's pattern must not be able to stall the loop.
        options = jsonschema_rs.RegexOptions(size_limit=size)
        try:
            # A format is a remark: a server may take what the library's strict idea of one does not, such as an address
            # with an umlaut. By default the library would judge by it in the drafts up to 7.
            validator = jsonschema_rs.validator_for(
                dict(schema), offline=True, validate_formats=False, pattern_options=options
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, RecursionError):
            if not weight.patterns:
                return None
            continue
        return _Judge(validator, weight, character_ns)
    return None
