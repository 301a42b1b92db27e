"""Looking into a journal from outside: its writes, what is known of one, and settling what nobody knows."""

import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headgate.proxy.journal.file import VERSION, connect, version_of
from headgate.proxy.journal.journal import Ending, JournalError
from headgate.proxy.journal.ledger import Ledger, ending_of
from headgate.proxy.journal.owners import is_alive
from headgate.proxy.journal.writer import said_of
from headgate.tools.keys import WriteState

_COLUMNS = "id, principal, upstream, tool, key, state, owner, intended_at, ended_at, ending"


@dataclass(frozen=True, slots=True)
class Record:
    """One write as the journal has it. Times are seconds since 1970."""

    id: int
    principal: str
    upstream: str
    tool: str
    key: str | None
    state: WriteState
    """`intent` only where the process that makes it still runs."""
    intended_at: float
    ended_at: float | None
    ending: Ending


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which writes to look for; what is `None` does not matter."""

    state: str | None = None
    upstream: str | None = None
    tool: str | None = None
    key: str | None = None
    limit: int = 50


@contextmanager
def opened(path: Path) -> Generator[sqlite3.Connection]:
    """A connection to the journal at `path`.

    Raises:
        JournalError: There is none, or it cannot be read.

    """
    if not path.exists():
        raise JournalError(f"there is no journal at {path}: no write has been recorded there yet")
    try:
        with closing(connect(path)) as connection:
            if version_of(connection) != VERSION:
                raise JournalError(f"{path} is empty, or of another version of headgate")
            yield connection
    except (OSError, sqlite3.Error) as broken:
        raise JournalError(f"{path} cannot be read: {said_of(broken)}") from None


def is_sound(connection: sqlite3.Connection) -> bool:
    """Whether the file is whole, whatever stands in it."""
    return connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)


def records(connection: sqlite3.Connection, path: Path, wanted: Wanted) -> list[Record]:
    """The latest writes that are wanted, the newest first."""
    found: list[Record] = []
    for record in _every(connection, path):
        told = (record.state, record.upstream, record.tool, record.key)
        asked = (wanted.state, wanted.upstream, wanted.tool, wanted.key)
        if all(it is None or it == that for it, that in zip(asked, told, strict=True)):
            found.append(record)
            if len(found) == wanted.limit:
                break
    return found


def record_of(connection: sqlite3.Connection, path: Path, write: int) -> Record:
    """The write of that number; raises JournalError where there is none."""
    found = next(_every(connection, path, write), None)
    if found is None:
        raise JournalError(f"there is no write {write} in {path}")
    return found


def resolve(path: Path, write: int, state: Literal["ok", "failed"], note: str, clock: Callable[[], float]) -> None:
    """Settle a write that nobody knows the outcome of, as a person has found it.

    Raises:
        JournalError: It is settled already, or under way; or there is no such write.

    """
    with opened(path) as connection:
        ledger = Ledger(connection, "", lambda owner: is_alive(path, owner))
        with ledger.transaction():
            _resolve(ledger, path, write, _ending(state, note), note, clock())


def _resolve(ledger: Ledger, path: Path, write: int, ending: Ending, note: str, now: float) -> None:
    ledger.recover(now)
    state = record_of(ledger.connection, path, write).state
    if state == "intent":
        raise JournalError(f"write {write} is under way: its outcome will be known soon")
    if state != "unknown":
        raise JournalError(f"write {write} is settled: {state}")
    ledger.settle(write, ending, now, {"by": "operator", "note": note or None})


def _ending(state: Literal["ok", "failed"], note: str) -> Ending:
    more = f": {note}" if note else ""
    if state == "ok":
        said = f"The operator has found that this write was made{more}"
        return Ending("ok", {"content": [{"type": "text", "text": said}], "isError": False})
    return Ending("failed", code="UPSTREAM_ERROR", message=f"the operator has found that this write was not made{more}")


def _every(connection: sqlite3.Connection, path: Path, write: int | None = None) -> Iterator[Record]:
    where, values = ("", ()) if write is None else (" WHERE id = ?", (write,))
    rows = connection.execute(f"SELECT {_COLUMNS} FROM writes{where} ORDER BY id DESC", values)  # noqa: S608 - no value is in the text
    for identity, principal, upstream, tool, key, state, owner, intended_at, ended_at, ending in rows:
        now = "unknown" if state == "intent" and not is_alive(path, owner) else state
        yield Record(identity, principal, upstream, tool, key, now, intended_at, ended_at, ending_of(now, ending))
