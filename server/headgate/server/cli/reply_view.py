"""A reply as a person reads it: a bar while the batch runs, a table when it has ended; and a plan as its stages."""

from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import click

from headgate.server.cli.display import echo_table, plain, shortened
from headgate.server.cli.plan_view import HEADINGS, planned_rows
from headgate.tools.compact import compact

_DATA_WIDTH = 72


class Progress:
    """A bar on stderr that says how many calls have ended."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - for people only
        from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn  # noqa: PLC0415
        from rich.progress import Progress as Bar  # noqa: PLC0415

        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("calls", total=None)

    def show(self, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done, total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def echo_reply(reply: Mapping[str, Any]) -> None:
    """Print what came of each call, or was planned for it, and the summary below."""
    results = _listed(reply, "results")
    if reply.get("dry_run"):
        echo_table(HEADINGS, planned_rows(results))
    elif results:
        rows = [_ended(result) for result in results]
        echo_table(("id", "tool", "class", "status", "ms", "data or error"), rows, right=frozenset({"ms"}))
    for problem in _listed(reply, "problems"):
        click.echo(plain(f"{problem.get('code')}  {problem.get('where')}: {problem.get('message')}"))
    click.echo(plain(str(reply.get("summary", ""))))
    if "critical_path" in reply:
        path = " → ".join(map(str, _listed(reply, "critical_path")))
        click.echo(plain(f"expected: {reply.get('expected_ms')} ms, as long as {path}"))


def _listed(reply: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    return cast("Sequence[Mapping[str, Any]]", reply.get(key, ()))


def _ended(result: Mapping[str, Any]) -> tuple[str, ...]:
    duration = result.get("duration_ms")
    said = _error(result) or _data(result)
    return (
        *_named(result),
        str(result.get("status", "")),
        "" if duration is None else f"{duration:g}",
        shortened(said, _DATA_WIDTH),
    )


def _named(result: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(result.get("id", "")), str(result.get("tool", "")), str(result.get("class", ""))


def _error(result: Mapping[str, Any]) -> str:
    return f"{result['error_code']}: {result.get('error', '')}" if "error_code" in result else ""


def _data(result: Mapping[str, Any]) -> str:
    data = result.get("data", "")
    return data if isinstance(data, str) else compact(data).decode()
