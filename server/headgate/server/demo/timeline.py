"""Calls drawn over time, one row each: spans in, lines out.

A pure function of its arguments. It starts nothing, reads no clock, and knows nothing of gates and replies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from rich.text import Text

from headgate.server.demo.axis import BLOCKS, Axis, Glyphs, Stroke

INDENT = 2
TIME_WIDTH = 8
OUTCOME_WIDTH = 15
NARROWEST_AXIS = 8

TINTS = {"read": ("#2bb3a3", "#239486"), "write": ("#9a7bf7", "#8262e0")}
"""Two shades for each class: neighbours take turns, so that touching bars stay apart."""
FAILED = {"timeout": "#e8a33d", "pending": "#e8a33d", "error": "#e5534b", "unknown": "#e5534b"}
INK = "default"
QUIET = "#8b949e"
SAVED = "#3fb950"


@dataclass(frozen=True, slots=True)
class Bar:
    """One call: when it ran, in seconds, and how it ended. A call that was never sent has no start."""

    label: str
    kind: Literal["read", "write"]
    status: str
    start_s: float | None
    end_s: float | None
    """`None` while the call runs: the bar then reaches as far as the time that has gone by."""

    @property
    def running(self) -> bool:
        """Whether the call was sent and has not ended yet."""
        return self.start_s is not None and self.end_s is None


@dataclass(frozen=True, slots=True)
class Page:
    """How wide the drawing is, how its characters look, and how long its axis has to be."""

    width: int
    label_width: int
    longest_s: float
    """The time that has to fit on the axis."""
    glyphs: Glyphs = BLOCKS

    @property
    def axis(self) -> Axis:
        """The axis that fits between the labels and the outcomes."""
        taken = INDENT + self.label_width + TIME_WIDTH + OUTCOME_WIDTH
        return Axis.fitting(max(self.width - taken, NARROWEST_AXIS), self.longest_s, self.glyphs)


def timeline(bars: Sequence[Bar], page: Page, *, elapsed_s: float = 0.0) -> list[Text]:
    """Draw `bars` in their order over one ruler. `elapsed_s` is how far a running call has come."""
    rows = [_row(bar, shade, page, elapsed_s) for shade, bar in enumerate(bars)]
    return [*rows, _margin(page, page.axis.ruler(), QUIET)]


def heading(title: str, aside: str, page: Page) -> Text:
    """Draw a timeline's title, with `aside` over the column of durations."""
    edge = INDENT + page.label_width + page.axis.width + TIME_WIDTH
    text = _line().append(title, style="bold")
    return _pad(text, edge - len(title) - len(aside)).append(aside, style="bold")


def saving(batch_s: float, serial_s: float, page: Page) -> list[Text]:
    """Draw the time that a batch left over, on the axis of the calls made one by one, and say it in figures."""
    stroke = page.axis.gap(batch_s, serial_s, f"{serial_s - batch_s:.1f} s saved")
    figures = f"{serial_s:.1f} s {page.glyphs.leads_to} {batch_s:.1f} s   {saved_percent(batch_s, serial_s)} % less"
    return [_margin(page, " " * stroke.lead + stroke.cells, SAVED), _margin(page, figures, f"bold {SAVED}")]


def saved_percent(batch_s: float, serial_s: float) -> int:
    """Tell what a batch saved of the time that its calls take one by one."""
    return round(100 * (1 - batch_s / serial_s)) if serial_s > 0 else 0


def _line() -> Text:
    return Text(no_wrap=True, overflow="crop")


def _pad(text: Text, cells: int) -> Text:
    """Leave `cells` empty. Padding has no style, so that in a picture each word is placed by itself."""
    return text.append(" " * cells)


def _margin(page: Page, cells: str, style: str) -> Text:
    cells = cells.rstrip()
    visible = cells.lstrip()
    return _pad(_line(), INDENT + page.label_width + len(cells) - len(visible)).append(visible, style=style)


def _row(bar: Bar, shade: int, page: Page, elapsed_s: float) -> Text:
    end_s = elapsed_s if bar.end_s is None else bar.end_s
    stroke = Stroke(0, "") if bar.start_s is None else page.axis.stroke(bar.start_s, end_s)
    text = _pad(_line(), INDENT)
    label = bar.label[: page.label_width - 1]
    _pad(text.append(label, style=INK), page.label_width - len(label) + stroke.lead)
    _draw(text, stroke.cells, _colour(bar, shade), page.glyphs, running=bar.running)
    took = "not sent" if bar.start_s is None else f"{end_s - bar.start_s:.2f} s"
    _pad(text, page.axis.width - stroke.lead - len(stroke.cells) + TIME_WIDTH - len(took))
    _pad(text.append(took, style=QUIET if bar.start_s is None else INK), 2)
    _pad(text.append(bar.kind, style=QUIET), len("write ") - len(bar.kind))
    return text.append("..." if bar.running else bar.status, style=FAILED.get(bar.status, QUIET))


def _colour(bar: Bar, shade: int) -> str:
    tints = TINTS[bar.kind]
    return FAILED.get(bar.status, tints[shade % len(tints)])


def _draw(text: Text, cells: str, colour: str, glyphs: Glyphs, *, running: bool) -> None:
    if running:
        text.append(glyphs.open * len(cells), style=colour)
        return
    for cell, run in groupby(cells):
        # A full block on its own colour leaves no seams between cells, whatever the font.
        solid = cell == glyphs.full and glyphs is BLOCKS
        text.append("".join(run), style=f"{colour} on {colour}" if solid else colour)
