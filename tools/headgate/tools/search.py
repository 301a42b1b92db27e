"""Search in the catalogue by words."""

import re
from collections.abc import Iterable
from typing import Any

from headgate.tools.catalogue import Catalogue, Tool

_WORD = re.compile(r"[a-z0-9]+")
_NAME_WEIGHT, _PREFIX_WEIGHT, _TEXT_WEIGHT = 4, 2, 1


def find_tools(catalogue: Catalogue, query: str, limit: int, recipes: Iterable[Tool] = ()) -> list[dict[str, Any]]:
    """At most `limit` tools, those that match most of the words of `query` best first; all for an empty query."""
    words = _words(query)
    scored = [(_score(tool, words), tool) for tool in (*recipes, *catalogue.tools) if tool.denied is None]
    found = [(score, tool) for score, tool in scored if score or not words]
    found.sort(key=lambda pair: -pair[0])
    return [_described(tool) for _, tool in found[:limit]]


def _words(text: str) -> list[str]:
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    return _WORD.findall(spaced.lower())


def _score(tool: Tool, words: Iterable[str]) -> int:
    in_name = set(_words(tool.qualified))
    in_text = set(_words(tool.description))
    return sum(_score_of(word, in_name, in_text) for word in words)


def _score_of(word: str, in_name: set[str], in_text: set[str]) -> int:
    if word in in_name:
        return _NAME_WEIGHT
    if any(_alike(word, other) for other in in_name):
        return _PREFIX_WEIGHT
    return _TEXT_WEIGHT if any(_alike(word, other) for other in in_text) else 0


def _alike(word: str, other: str) -> bool:
    """Whether one is a form of the other: `refunds` and `refund`, `ship` and `shipment`."""
    shorter, longer = sorted((word, other), key=len)
    return word == other or (len(shorter) >= 3 and longer.startswith(shorter))


def _described(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.qualified,
        "class": tool.kind,
        "why": tool.reason,
        "description": tool.description,
        "input_schema": dict(tool.input_schema),
    }
