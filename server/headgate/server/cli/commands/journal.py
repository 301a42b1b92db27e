"""`headgate journal`: what was written by way of headgate, and settling what nobody knows the outcome of."""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from headgate.server.cli.config import chosen_settings
from headgate.server.cli.display import echo_json, echo_rows, echo_table, on_terminal, plain, shortened
from headgate.server.cli.fault import Fault
from headgate.server.cli.options import options
from headgate.server.settings import find_settings, wrap_command

if TYPE_CHECKING:
    import sqlite3

    from headgate.proxy.journal.records import Record

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_WIDTH = 60


@click.group()
def journal() -> None:
    """Look into the record of writes, and settle what nobody knows the outcome of."""


@journal.command(name="list")
@click.option("--state", type=click.Choice(["intent", "ok", "failed", "unknown", "not_sent"]), help="Only these.")
@click.option("--upstream", help="Only writes to this one.")
@click.option("--tool", help="Only writes of this tool, by its upstream's own name.")
@click.option("--key", help="Only writes under this idempotency key.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="The latest so many.")
@_JSON
def list_writes(*, as_json: bool, **wanted: Any) -> None:
    """List the latest writes, the newest first."""
    from headgate.proxy.journal.records import Wanted, records  # noqa: PLC0415 - only this command needs a database

    with _open() as (connection, path):
        found = records(connection, path, Wanted(**wanted))
    if as_json:
        echo_json({"journal": str(path), "writes": [_as_json(record) for record in found]})
        return
    rows = [
        (str(it.id), _moment(it.intended_at), f"{it.upstream}__{it.tool}", it.key or "", it.state, _said(it))
        for it in found
    ]
    if on_terminal():
        echo_table(("id", "when", "tool", "key", "state", ""), rows, right=frozenset(("id",)))
    else:
        echo_rows(rows)


@journal.command()
@click.argument("write", metavar="ID", type=int)
@_JSON
def show(write: int, *, as_json: bool) -> None:
    """Show all that is known of one write."""
    from headgate.proxy.journal.chain import events  # noqa: PLC0415
    from headgate.proxy.journal.records import record_of  # noqa: PLC0415

    with _open() as (connection, path):
        record = record_of(connection, path, write)
        story = [event.as_json() for event in events(connection, write)]
    if as_json:
        echo_json(_as_json(record) | {"result": record.ending.result, "events": story})
        return
    who = f" for {record.principal}" if record.principal else ""
    key = f' under the key "{record.key}"' if record.key else ""
    click.echo(plain(f"write {record.id}: {record.upstream}__{record.tool}{key}{who}, {record.state}"))
    for event in story:
        told = {name: value for name, value in event.items() if name not in ("seq", "write", "at", "what", "hash")}
        click.echo(plain(f"  {_moment(event['at'])}  {event['what']}  {_pairs(told)}"))
    if _said(record):
        click.echo(plain(f"  {_said(record)}"))
    if record.state == "unknown":
        click.echo(f"See whether it was made, then: headgate journal resolve {record.id} --as ok|failed")


@journal.command()
@click.argument("write", metavar="ID", type=int)
@click.option("--as", "state", required=True, type=click.Choice(["ok", "failed"]), help="It was made, or it was not.")
@click.option("--note", default="", help="What you found, for the record and for whoever asks again.")
def resolve(write: int, state: Literal["ok", "failed"], note: str) -> None:
    """Settle a write whose outcome is unknown, as you have found it."""
    from headgate.proxy.journal.records import resolve as settle  # noqa: PLC0415

    path = _path()
    with _faults():
        settle(path, write, state, note, time.time)
    click.echo(f"write {write} is settled: {state}")


@journal.command()
def export() -> None:
    """Print every line of the record as JSON. Keep it elsewhere: nobody can then change the past unnoticed."""
    from headgate.proxy.journal.verify import lines  # noqa: PLC0415

    with _open() as (connection, _):
        for line in lines(connection):
            click.echo(line)


@journal.command()
@_JSON
def verify(*, as_json: bool) -> int:
    """Check that the record is as it was written. Exit 1 if it is not."""
    from headgate.proxy.journal.chain import size  # noqa: PLC0415
    from headgate.proxy.journal.verify import faults_in  # noqa: PLC0415

    with _open() as (connection, path):
        faults = faults_in(connection)
        count, head = size(connection)
    if as_json:
        echo_json({"journal": str(path), "lines": count, "hash": head, "faults": faults})
    else:
        for fault in faults:
            click.echo(fault)
        if not faults:
            click.echo(f"{path}: {count} lines, all as they were written; the last is sealed {head}")
    return int(bool(faults))


@journal.command()
def repair() -> None:
    """Put a journal that cannot be used aside, so that a new one begins. Keys in the old one are not known any more."""
    from headgate.proxy.journal.file import set_aside  # noqa: PLC0415
    from headgate.proxy.journal.journal import JournalError  # noqa: PLC0415
    from headgate.proxy.journal.records import is_sound, opened  # noqa: PLC0415

    path = _path()
    try:
        with opened(path) as connection:
            sound = is_sound(connection)
    except JournalError as wrong:
        if not path.exists():
            raise Fault(str(wrong)) from None
        sound = False
    if sound:
        click.echo(f"{path} can be used: nothing to repair")
        return
    click.echo(f"the old journal is {set_aside(path)} now, and a new one begins with the next write")


@contextmanager
def _open() -> "Generator[tuple[sqlite3.Connection, Path]]":
    from headgate.proxy.journal.records import opened  # noqa: PLC0415

    path = _path()
    with _faults(), opened(path) as connection:
        yield connection, path


@contextmanager
def _faults() -> Generator[None]:
    from headgate.proxy.journal.journal import JournalError  # noqa: PLC0415

    try:
        yield
    except JournalError as wrong:
        raise Fault(str(wrong)) from None


def _path() -> Path:
    """Where writes are recorded, by the headgate.toml that is used; without one, where they are by default."""
    if find_settings(options().config, os.environ, Path.cwd()) is None:
        settings = wrap_command("headgate", ())
    else:
        settings = chosen_settings()
    path = settings.headgate.journal
    if path is None:
        raise Fault('journal = "memory": the record is kept in memory, and there is no file to look into')
    return path


def _as_json(record: "Record") -> dict[str, Any]:
    told = {
        "id": record.id,
        "principal": record.principal,
        "upstream": record.upstream,
        "tool": record.tool,
        "key": record.key,
        "state": record.state,
        "intended_at": record.intended_at,
        "ended_at": record.ended_at,
        "error_code": record.ending.code,
        "error": record.ending.message or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _said(record: "Record") -> str:
    return shortened(record.ending.message, _WIDTH)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec="seconds")


def _pairs(told: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in told.items() if value not in ("", None))
