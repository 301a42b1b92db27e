"""Turns the figures into what is read: the table, the goals with their verdicts, and the same as JSON."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from contestants import NO_CAP, Contestant, callmux_version
from measures import BATCHES, CALL, CALL_AFTER, FAN_DEFAULT, FANS, FIRST_CALL, START, Figures, Row
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, RenderableType

SECTIONS = (
    ("fan-out: one batch", (*FANS, FAN_DEFAULT)),
    ("no-op reads a second", BATCHES),
    ("latency of one call", (CALL, BATCHES[0], CALL_AFTER)),
    ("start", (START, FIRST_CALL)),
)
ONE_BATCH_TITLE = "in a batch"
HOW_TO_READ = f"""\
Medians. In brackets: the time, as a multiple of the floor's. The floor is the pipe client straight to the upstream; for
the start it is a bare SDK stdio server, which is what the SDK's column shows there. The SDK and FastMCP have no batch
tool: their batch is as many calls at the same time. headgate and callmux: caps at {NO_CAP:,}, save in one row."""


@dataclass(frozen=True)
class Goal:
    """One promise, and how it came out."""

    title: str
    limit: float
    unit: str
    value: float | None
    at_least: bool = False
    later: bool = False

    @property
    def verdict(self) -> str:
        """Say met, missed, or that it was not measured."""
        if self.value is None:
            return "not measured"
        return "met" if (self.value >= self.limit if self.at_least else self.value <= self.limit) else "missed"

    def show(self, value: float | None) -> str:
        """Write a value with its unit."""
        if value is None:
            return "-"
        return f"{value:,.0f} {self.unit}" if value >= 10 else f"{value:.2f} {self.unit}"


def goals(figures: Figures) -> list[Goal]:
    """Hold headgate's figures against what was promised, for now and for later."""

    def ms(row: Row, contestant: str = "headgate") -> float | None:
        return figures.median_ms(contestant, row.key)

    def ratio(one: float | None, other: float | None) -> float | None:
        return one / other if one is not None and other is not None else None

    rate = ratio(100 * 1000, ms(BATCHES[2]))
    beside_streams = ratio(ms(BATCHES[2], "streams"), ms(BATCHES[2]))
    thousand = ratio(ms(BATCHES[2]), ratio(ms(BATCHES[3]), 10))
    return [
        Goal("50 reads of 100 ms", 150, "ms", ms(FANS[-1])),
        Goal("reads/s in batches of 100", 5_000, "/s", rate, at_least=True),
        Goal("start beside a bare SDK server", 1.3, "x", ratio(ms(START), ms(START, "sdk"))),
        Goal("one-call batch beside the call passed through", 1.3, "x", ratio(ms(BATCHES[0]), ms(CALL))),
        Goal("batches of 100 beside asyncio streams", 0.25, "x", beside_streams, at_least=True),
        Goal("batches of 1,000 beside batches of 100", 0.8, "x", thousand, at_least=True),
        Goal("one call beside asyncio streams", 4, "x", ratio(ms(CALL), ms(CALL, "streams"))),
        Goal("the same after large replies", 4, "x", ratio(ms(CALL_AFTER), ms(CALL_AFTER, "streams"))),
        Goal("50 reads of 100 ms", 110, "ms", ms(FANS[-1]), later=True),
        Goal("reads/s in batches of 100", 25_000, "/s", rate, at_least=True, later=True),
        Goal("one call", 0.75, "ms", ms(CALL), later=True),
        Goal("start", 616, "ms", ms(START), later=True),
    ]


def machine() -> dict[str, Any]:
    """Say what the figures were measured on and with."""
    versions = {"callmux": callmux_version()}
    for package in ("headgate", "mcp", "fastmcp"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "none"
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        "load_before": round(os.getloadavg()[0], 1),
        "versions": versions,
    }


def print_report(console: Console, figures: Figures, contestants: Sequence[Contestant], info: dict[str, Any]) -> None:
    """Print the header line, the table, the reasons for gaps, and the goals."""
    versions = ", ".join(f"{name} {version}" for name, version in info["versions"].items())
    console.print(
        f"{info['date']} · {info['cores']} cores, load {info['load_before']} before · Python {info['python']} on"
        f" {info['system']} · {figures.rounds} rounds\n{versions}"
    )
    notes: list[str] = []
    console.print(_table(figures, contestants, notes))
    for number, note in enumerate(notes, 1):
        console.print(f"[{number}] {note}", markup=False)
    console.print(HOW_TO_READ, style="dim")
    if any(contestant.name == "headgate" for contestant in contestants):
        console.print(_goals_table(goals(figures)))


def _table(figures: Figures, contestants: Sequence[Contestant], notes: list[str]) -> Table:
    table = Table(header_style="bold")
    table.add_column("", no_wrap=True)
    for contestant in contestants:
        table.add_column(contestant.title, justify="right")
    for title, rows in SECTIONS:
        table.add_row(Text(title, style="bold"))
        for row in rows:
            rate = rows is BATCHES
            label = ONE_BATCH_TITLE if row is BATCHES[0] and not rate else row.title
            cells = (_cell(figures, contestant.name, row, notes, rate=rate) for contestant in contestants)
            table.add_row(f"  {label}", *cells)
        if CALL in rows:
            table.add_row("  the batch beside the call", *_one_call_ratios(figures, contestants))
        table.add_section()
    return table


def _cell(figures: Figures, name: str, row: Row, notes: list[str], *, rate: bool) -> RenderableType:
    if reason := figures.reasons.get((name, row.key)):
        if reason not in notes:
            notes.append(reason)
        return f"n/a \\[{notes.index(reason) + 1}]"
    took = figures.median_ms(name, row.key)
    if took is None:
        return "-"
    shown = f"{row.size * 1000 / took:,.0f}/s" if rate else f"{took:,.0f} ms" if took >= 10 else f"{took:.2f} ms"
    floor = _floor_ms(figures, row)
    return f"{shown} [dim]({took / floor:.2f}x)[/dim]" if floor else shown


def _floor_ms(figures: Figures, row: Row) -> float | None:
    if row in {START, FIRST_CALL}:
        return figures.median_ms("sdk", row.key)
    return figures.median_ms("straight", FANS[-1].key if row is FAN_DEFAULT else row.key)


def _one_call_ratios(figures: Figures, contestants: Sequence[Contestant]) -> Iterator[str]:
    for contestant in contestants:
        call, batch = (figures.median_ms(contestant.name, row.key) for row in (CALL, BATCHES[0]))
        yield f"{batch / call:.2f}x" if call and batch else "-"


def _goals_table(all_goals: list[Goal]) -> Table:
    table = Table(title="headgate's goals", title_justify="left", header_style="bold")
    for heading in ("", "goal", "measured", ""):
        table.add_column(heading, justify="left" if not heading else "right")
    colours = {"met": "green", "missed": "red"}
    for goal in all_goals:
        limit = f"{'≥' if goal.at_least else '≤'} {goal.show(goal.limit)}"
        title = f"{'later: ' if goal.later else ''}{goal.title}"
        verdict = Text(goal.verdict, style=colours.get(goal.verdict, "dim"))
        table.add_row(title, limit, goal.show(goal.value), verdict)
    return table


def as_json(figures: Figures, contestants: Sequence[Contestant], info: dict[str, Any]) -> str:
    """Write everything that was measured, times in milliseconds."""

    def row(name: str, key: str) -> dict[str, Any]:
        if reason := figures.reasons.get((name, key)):
            return {"reason": reason}
        times = [round(seconds * 1000, 4) for seconds in figures.samples[name, key]]
        return {"median_ms": round(statistics.median(times), 4), "min_ms": min(times), "samples": len(times)}

    keys = {*figures.samples, *figures.reasons}
    measured = {c.name: {key: row(c.name, key) for name, key in sorted(keys) if name == c.name} for c in contestants}
    judged = [asdict(goal) | {"verdict": goal.verdict} for goal in goals(figures)]
    return json.dumps({"machine": info, "rounds": figures.rounds, "measured": measured, "goals": judged}, indent=2)
