"""The demo's picture: the two timelines of a real run and what the batch saved, as an SVG that brings all it needs."""

import re
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from headgate.server.demo.axis import BLOCKS, EIGHTHS
from headgate.server.demo.scenes import Scene
from headgate.server.demo.stage import page_for
from headgate.server.demo.story import AS_BATCH, ONE_BY_ONE, drawn
from headgate.server.demo.timeline import saving

WIDTH = 102
"""A page of 100 cells, and room at its right."""
PAPER, INK = (22, 27, 34), (230, 237, 243)
THEME = TerminalTheme(PAPER, INK, [INK] * 8)
"""Every other colour is the drawing's own."""
CELL_WIDTH = 12.2
BASELINE = 20.0
BAR_TOP, BAR_HEIGHT = 4.0, 18.0
"""Within its line of 24.4, which leaves a gap between bars."""

FRAME = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>Four tool calls one by one, and the same four as one batch</title>
<style>
text {{ font: {char_height}px ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
<rect width="{width}" height="{height}" rx="10" fill="#161b22"/>
<g transform="translate(20, 24)" clip-path="url(#{unique_id}-clip-terminal)">
{matrix}
</g>
</svg>
"""  # noqa: E501 -- one element a line
_BLOCKS = re.compile(
    rf'<text class="([^"]+)" x="([^"]+)" y="([^"]+)"[^>]*>([{BLOCKS.full}{BLOCKS.ends}{BLOCKS.half}]+)</text>'
)


def picture(one_by_one: Scene, batch: Scene) -> str:
    """Draw both scenes on one axis, as SVG text."""
    console = Console(
        record=True,
        file=_Utf8(),
        width=WIDTH,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        _environ={},
    )
    page = page_for(console, one_by_one.total_s)
    for line in [
        *drawn(ONE_BY_ONE, one_by_one, page),
        "",
        *drawn(AS_BATCH, batch, page),
        *saving(batch.total_s, one_by_one.total_s, page),
    ]:
        console.print(line)
    svg = console.export_svg(title="headgate demo", theme=THEME, code_format=FRAME, unique_id="demo")
    # Letters are stretched to their cells, so that columns meet in any monospaced font.
    return _BLOCKS.sub(_bar, svg).replace(" textLength=", ' lengthAdjust="spacingAndGlyphs" textLength=')


def _bar(match: re.Match[str]) -> str:
    """Draw block characters as a shape: fonts differ in how they fill a cell."""
    name, x, y, blocks = match.groups()
    left = CELL_WIDTH / 2 if blocks[0] == BLOCKS.half else 0.0
    width = CELL_WIDTH * len(blocks) - left
    if blocks[-1] in BLOCKS.ends:
        width -= CELL_WIDTH * (1 - (BLOCKS.ends.index(blocks[-1]) + 1) / EIGHTHS)
    top = float(y) - BASELINE + BAR_TOP
    return (
        f'<rect class="{name}" x="{float(x) + left:g}" y="{top:g}" width="{width:g}" height="{BAR_HEIGHT:g}" '
        'shape-rendering="crispEdges"/>'
    )


def write_picture(path: Path, one_by_one: Scene, batch: Scene) -> None:
    """Write the picture to `path`."""
    path.write_text(picture(one_by_one, batch), encoding="utf-8")


class _Utf8(StringIO):
    """Paper that takes every character, whatever the terminal at hand does."""

    encoding = "utf-8"  # pyright: ignore[reportAssignmentType, reportIncompatibleVariableOverride]
