"""A time axis made of characters: where a span of seconds lies on it, and the ruler under it.

Pure arithmetic on seconds and cells. It knows nothing of calls, colours, or how wide a terminal is.
"""

from dataclasses import dataclass

EIGHTHS = 8
HALF = EIGHTHS // 2
STEPS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
TICK_CELLS = 4
"""Fewer cells than this between two ticks, and their numbers would run together."""
MOST_TICKS = 10
TINY = 1e-9
"""More than the rounding error of a division, so that a tick on the edge is not lost."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters that a drawing is made of."""

    full: str
    ends: str
    """Left parts of a cell, from one eighth to seven; empty where there are none."""
    half: str
    """The right half of a cell: a bar that starts in its middle."""
    open: str
    """A cell of a call that is still running."""
    tick: str
    """The left edge of a cell."""
    line: str
    arrows: tuple[str, str]
    leads_to: str


BLOCKS = Glyphs("█", "▏▎▍▌▋▊▉", "▐", "░", "▏", "─", ("◂", "▸"), "→")
ASCII = Glyphs("#", "", "#", ".", "|", "-", ("<", ">"), "->")


@dataclass(frozen=True, slots=True)
class Stroke:
    """What a bar puts into its row: `cells`, after `lead` empty cells."""

    lead: int
    cells: str


@dataclass(frozen=True, slots=True)
class Axis:
    """`width` cells that stand for the time from 0 to `horizon_s`."""

    width: int
    horizon_s: float
    glyphs: Glyphs = BLOCKS

    @classmethod
    def fitting(cls, width: int, longest_s: float, glyphs: Glyphs = BLOCKS) -> "Axis":
        """Make the axis that holds `longest_s` and whose ticks fall on whole cells."""
        longest_s = max(longest_s, STEPS_S[0])
        step = _step(width, longest_s)
        cells = int(step * width / longest_s + TINY)
        return cls(width, step * width / cells if cells else longest_s, glyphs)

    def stroke(self, start_s: float, end_s: float) -> Stroke:
        """Draw a span: its end to an eighth of a cell, its start to half of one, and never less than a sliver."""
        end = min(max(self._eighths(end_s), self._eighths(start_s) + 1), self.width * EIGHTHS)
        start = min(self._eighths(start_s), end - 1)
        return self._blocks(start, end) if self.glyphs.ends else self._whole_cells(start, end)

    def _eighths(self, at_s: float) -> int:
        return round(min(max(at_s / self.horizon_s, 0.0), 1.0) * self.width * EIGHTHS)

    def _blocks(self, start: int, end: int) -> Stroke:
        nearest = round(start / HALF) * HALF
        lead, within = divmod(nearest if nearest < end else start, EIGHTHS)
        half = within >= HALF
        cells = self.glyphs.half if half else ""
        full, rest = divmod(max(end - (lead + half) * EIGHTHS, 0), EIGHTHS)
        return Stroke(lead, cells + self.glyphs.full * full + (self.glyphs.ends[rest - 1] if rest else ""))

    def _whole_cells(self, start: int, end: int) -> Stroke:
        first = min(round(start / EIGHTHS), self.width - 1)
        return Stroke(first, self.glyphs.full * max(round(end / EIGHTHS) - first, 1))

    def ruler(self) -> str:
        """Draw a tick at the left edge of each step's cell, with its seconds beside it."""
        step = _step(self.width, self.horizon_s)
        count = int((self.width - 2) * self.horizon_s / self.width / step + TINY) + 1
        line = ""
        for n in range(count):
            line = line.ljust(round(n * step * self.width / self.horizon_s)) + f"{self.glyphs.tick}{n * step:g}"
        return f"{line} s"[: self.width].ljust(self.width)

    def gap(self, start_s: float, end_s: float, text: str) -> Stroke:
        """Draw an arrow over a span in which nothing runs, with `text` in its middle if there is room."""
        lead = -(-self._eighths(start_s) // EIGHTHS)
        room = self._eighths(end_s) // EIGHTHS - lead
        if room < len(text) + 6:
            return Stroke(lead, text if room >= len(text) else "")
        left, right = self.glyphs.arrows
        return Stroke(lead, left + f" {text} ".center(room - 2, self.glyphs.line) + right)


def _step(width: int, horizon_s: float) -> float:
    fewest_s = max(horizon_s / MOST_TICKS, TICK_CELLS * horizon_s / width) * (1 - TINY)
    return next((step for step in STEPS_S if step >= fewest_s), horizon_s)
