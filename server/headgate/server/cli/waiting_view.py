"""Definitions that wait to be accepted, or were just now: what is other in them, for people and for programs."""

from collections.abc import Iterable, Sequence
from typing import Any

import click

from headgate.server.cli.definition_view import definition_lines, difference, revealed
from headgate.server.cli.display import on_terminal
from headgate.server.lock.waiting import Waiting

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def show_waiting(accepted: Sequence[Waiting], left: Sequence[Waiting]) -> None:
    """Print what was accepted and what still waits, each with what is other in it."""
    for each in (*accepted, *left):
        click.echo(f"{each.tool.qualified}: {_what(each)}{'; accepted' if each in accepted else ''}")
        for line in _lines(each):
            text = f"  {revealed(line)}"
            click.echo(click.style(text, _COLOURS.get(line[:1])) if on_terminal() else text)
    if left:
        names = left[0].tool.qualified if len(left) == 1 else "UPSTREAM__TOOL"
        click.echo(f"{len(left)} to accept: headgate trust {names}, or headgate trust --all")
    elif not accepted:
        click.echo("every tool is what it was when it was trusted")


def waiting_as_json(waiting: Iterable[Waiting]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "name": each.tool.qualified,
            "upstream": each.tool.upstream,
            "tool": each.tool.name,
            "before": None if each.before is None else _pin_as_json(each.before.sha256, each.before.kind),
            "after": _pin_as_json(each.after.sha256, each.after.kind),
            "difference": [*_lines(each)],
        }
        for each in waiting
    ]


def _pin_as_json(sha256: str, kind: str) -> dict[str, str]:
    return {"sha256": sha256, "class": kind}


def _what(waiting: Waiting) -> str:
    if waiting.before is None:
        return f"it is new, a {waiting.after.kind}"
    if waiting.before.kind != waiting.after.kind:
        return f"its definition changed; it was a {waiting.before.kind}, and would be a {waiting.after.kind}"
    return f"its definition changed; it is still a {waiting.after.kind}"


def _lines(waiting: Waiting) -> Sequence[str]:
    after = waiting.after.definition
    return definition_lines(after) if waiting.before is None else difference(waiting.before.definition, after)
