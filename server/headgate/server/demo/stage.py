"""Where the demo is shown: a terminal on which bars grow, a pipe that gets plain lines, or nowhere."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from textwrap import wrap
from time import perf_counter

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from headgate.server.demo.axis import ASCII, BLOCKS
from headgate.server.demo.story import LABEL_WIDTH, NO_BREAK
from headgate.server.demo.timeline import QUIET, Bar, Page, heading, timeline

WIDEST = 100
FRAMES_A_SECOND = 12


def page_for(console: Console, longest_s: float) -> Page:
    """Make the page that `console` has room and characters for."""
    glyphs = ASCII if console.options.ascii_only else BLOCKS
    return Page(min(console.width, WIDEST), LABEL_WIDTH, longest_s, glyphs)


@dataclass(slots=True)
class Running:
    """A scene while it runs, drawn anew for each frame."""

    title: str
    page: Page
    spinner: Spinner
    began: float = field(default_factory=perf_counter)
    bars: tuple[Bar, ...] = ()
    count: str = ""

    def calls(self, bars: Sequence[Bar]) -> None:
        """Draw these calls from now on."""
        self.bars = tuple(bars)

    def answered(self, done: int, of: int) -> None:
        """Say how many calls have an answer."""
        self.count = f"   {done} of {of} answered"

    def frame(self) -> Group:
        """Draw the scene as it is now."""
        elapsed_s = perf_counter() - self.began
        self.spinner.update(text=Text(f"{elapsed_s:.1f} s{self.count}", style=QUIET))
        rows = timeline(self.bars, self.page, elapsed_s=elapsed_s) if self.bars else []
        return Group(heading(self.title, "", self.page), *rows, self.spinner)


@dataclass(frozen=True, slots=True)
class Stage:
    """Says and draws things on a console. Only on a terminal does anything move."""

    console: Console

    @contextmanager
    def running(self, title: str, longest_s: float) -> Generator[Running]:
        """Show a scene while it runs; what it drew is gone when it ends."""
        spinner = Spinner(self._spins, style=QUIET)
        scene = Running(title, page_for(self.console, longest_s), spinner)
        with Live(get_renderable=scene.frame, console=self.console, refresh_per_second=FRAMES_A_SECOND, transient=True):
            yield scene

    @contextmanager
    def waiting(self, what: str) -> Generator[None]:
        """Turn a spinner while something is awaited that is not part of a scene."""
        spinner = Spinner(self._spins, text=Text(what, style=QUIET), style=QUIET)
        with Live(spinner, console=self.console, refresh_per_second=FRAMES_A_SECOND, transient=True):
            yield

    @property
    def _spins(self) -> str:
        return "line" if self.console.options.ascii_only else "dots"

    def page(self, longest_s: float) -> Page:
        """Make the page for an axis of `longest_s`."""
        return page_for(self.console, longest_s)

    def show(self, lines: Sequence[Text | str]) -> None:
        """Print lines as they are."""
        for line in lines:
            text = Text(line) if isinstance(line, str) else line
            self.console.print(text, no_wrap=True, overflow="ignore", crop=False)

    def say(self, paragraph: str) -> None:
        """Print a paragraph between two empty lines. A no-break space keeps a number and its unit together."""
        lines = wrap(paragraph, min(self.console.width, WIDEST), initial_indent="  ", subsequent_indent="  ")
        text = "\n".join(lines).replace(NO_BREAK, " ")
        self.console.print(Text(f"\n{text}\n", style=QUIET), no_wrap=True, overflow="ignore", crop=False)
