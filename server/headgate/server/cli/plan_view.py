"""A plan as a person reads it: a graph from left to right, a row for each call, and what each waits for."""

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.server.cli.display import shortened

MAX_DRAWN = 24
"""Stages that are drawn; the call of a later one stands at the right edge with its number."""
_ERROR_WIDTH = 100

HEADINGS = ("stage", "id", "tool", "class", "why", "waits for", "would fail with")


def planned_rows(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The rows of the table under `HEADINGS`, first stage first."""
    ordered = sorted(results, key=lambda result: int(result.get("stage", 0)))
    return [_row(result) for result in ordered]


def node(stage: int) -> str:
    """The place of a call in the graph: at its stage, joined to the stage before, which holds what it waits for.

    >>> [node(1), node(2), node(3)]
    ['●', '╰─●', '  ╰─●']
    """
    if stage <= 1:
        return "●"
    if stage > MAX_DRAWN:
        return f"{'  ' * (MAX_DRAWN - 2)}╰─● {stage}"
    return f"{'  ' * (stage - 2)}╰─●"


def _row(result: Mapping[str, Any]) -> tuple[str, ...]:
    waits = ", ".join(dict.fromkeys([*result.get("needs", ()), *result.get("after", ())]))
    error = f"{result['error_code']}: {result.get('error', '')}" if "error_code" in result else ""
    return (
        node(int(result.get("stage", 1))),
        str(result.get("id", "")),
        str(result.get("tool", "")),
        str(result.get("class", "")),
        str(result.get("why", "")),
        waits,
        shortened(error, _ERROR_WIDTH),
    )
