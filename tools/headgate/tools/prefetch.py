"""Reads that usually follow a call, made ahead of their asking.

A rule names a tool and the reads that tend to come next. Their arguments are literal, but for `{"$arg": NAME}`, which
stands for that argument of the call itself. What is filled in is data: it is never looked at again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

_ARG = "$arg"
_ELSEWHERE = frozenset(("$from", "$format", "$item", "$param"))
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class PrefetchCall:
    """A read to make ahead, by any of its tool's names."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PrefetchRule:
    """When `when` is called alone, make `calls` ahead and keep what they give for `within_s`."""

    when: str
    calls: tuple[PrefetchCall, ...]
    within_s: float = 10.0


def calls_ahead(rule: PrefetchRule, arguments: Mapping[str, Any]) -> tuple[PrefetchCall, ...]:
    """The calls to make ahead after one with `arguments`; one that needs an argument that is not there is left out."""
    calls: list[PrefetchCall] = []
    for call in rule.calls:
        try:
            calls.append(PrefetchCall(call.tool, _filled(call.arguments, arguments)))
        except KeyError:
            continue
    return tuple(calls)


def faults_in(arguments: Mapping[str, Any]) -> Iterable[tuple[Place, str]]:
    """What is wrong with the arguments of a rule's call, and where in them."""
    pending: list[tuple[Place, Any]] = [((), arguments)]
    while pending:
        place, value = pending.pop()
        if isinstance(value, list):
            pending += [((*place, index), item) for index, item in enumerate(cast("list[Any]", value))]
        elif isinstance(value, Mapping):
            fields = cast("Mapping[str, Any]", value)
            fault = _fault_of(fields)
            if fault:
                yield (place, fault)
            elif _ARG not in fields:
                pending += [((*place, key), item) for key, item in fields.items()]


def _fault_of(fields: Mapping[str, Any]) -> str | None:
    if _ARG in fields:
        whole = len(fields) == 1 and isinstance(fields[_ARG], str) and fields[_ARG]
        return None if whole else 'write { "$arg" = "NAME" }, with the name of an argument and nothing beside it'
    other = next((key for key in fields if key in _ELSEWHERE), None)
    return None if other is None else f'"{other}" means nothing here: write {{ "$arg" = "NAME" }}'


def _filled(value: Any, arguments: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        if _ARG in fields:
            return arguments[fields[_ARG]]
        return {key: _filled(item, arguments) for key, item in fields.items()}
    if isinstance(value, list):
        return [_filled(item, arguments) for item in cast("list[Any]", value)]
    return value
