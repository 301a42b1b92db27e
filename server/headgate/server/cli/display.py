"""What a terminal may be shown: text without control characters, cut to fit, and JSON for programs."""

import json
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager

import click
import orjson


def on_terminal() -> bool:
    """Whether a person reads stdout."""
    return sys.stdout.isatty()


def echo_json(value: object) -> None:
    """Print `value` as indented JSON."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # an integer of more than 64 bits, or half a surrogate pair
        text = json.dumps(value, indent=2)
    click.echo(text)


def echo_rows(rows: Iterable[Sequence[str]]) -> None:
    """Print rows for a program that reads lines: fields parted by tabs."""
    for row in rows:
        click.echo("\t".join(plain(field) for field in row))


def plain(text: str) -> str:
    """`text` on one line, without what would move a cursor or change a colour."""
    return "".join(character if character.isprintable() else " " for character in text)


def shortened(text: str, limit: int) -> str:
    """`text` on one line, in at most `limit` characters."""
    line = " ".join(plain(text[: 4 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def echo_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: frozenset[str] = frozenset()) -> None:
    """Print a table for a person. Columns named in `right` are numbers; a column with nothing in it is left out."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - a tenth of a second, for people only
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    columns = [column for column in zip(headings, *rows, strict=True) if any(column[1:])]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading, *_ in columns:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in list(zip(*columns, strict=True))[1:]:
        table.add_row(*(Text(plain(field), style=_STYLES.get(field, "")) for field in row))
    Console().print(table)


@contextmanager
def waiting(text: str) -> Generator[None]:
    """Show a person that something is under way."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - for people only

    with Console(stderr=True).status(plain(text)):
        yield


_STYLES = {
    "ok": "green",
    "ready": "green",
    "read": "cyan",
    "write": "magenta",
    "error": "red",
    "failed": "red",
    "timeout": "yellow",
    "unknown": "bold red",
    "skipped": "yellow",
    "pending": "yellow",
}
