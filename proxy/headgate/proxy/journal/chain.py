"""The record of all that was written down: one line for each event, sealed together with the line before it.

Whoever changes, adds or takes out a line in the middle breaks the seals from there on. Whoever can write the file can
seal all of it anew: against that, keep what `headgate journal export` gave somewhere else.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from headgate.tools.keys import canonical

NOTHING = "0" * 64
"""The seal before the first line."""
_LINE = "(?, ?, ?, ?, ?, ?)"
_AT_ONCE = (64, 16, 4, 1)
"""Lines of one statement: few different ones, so that each is prepared once."""
_BASE_SEQ, _BASE_HASH = "base_seq", "base_hash"


@dataclass(frozen=True, slots=True)
class Event:
    """One line."""

    seq: int
    write: int
    """The number of the write that it is about; 0 for what is about none."""
    at: float
    """Seconds since 1970."""
    what: str
    detail: Mapping[str, Any]
    hash: str

    def as_json(self) -> dict[str, Any]:
        """The line as it is exported."""
        return {
            "seq": self.seq,
            "write": self.write,
            "at": self.at,
            "what": self.what,
            **{name: value for name, value in self.detail.items() if value is not None},
            "hash": self.hash,
        }


def sealed(before: str, seq: int, write: int, at: float, said: tuple[str, str]) -> str:
    """The seal of a line, given the one of the line `before` it; `said` is what happened and its detail as text."""
    return sha256("\n".join((before, str(seq), str(write), repr(at), *said)).encode()).hexdigest()


class Chain:
    """The end of the chain, within one transaction: nobody else adds to it meanwhile.

    Lines are put in several at a time: each statement lets go of the interpreter, and a busy event loop is slow to give
    it back.
    """

    __slots__ = ("_connection", "_last", "_lines")

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Nothing is looked up before it is needed."""
        self._connection = connection
        self._last: tuple[int, str] | None = None
        self._lines: list[tuple[int, int, float, str, str, str]] = []

    @property
    def following(self) -> int:
        """The number of the line that is added next."""
        return self._end()[0] + 1

    def append(self, write: int, at: float, what: str, detail: Mapping[str, Any]) -> int:
        """Add a line, which stands there from `put_in` on; its number."""
        before, seal_before = self._end()
        seq = before + 1
        text = _text(detail)
        seal = sealed(seal_before, seq, write, at, (what, text))
        self._lines.append((seq, write, at, what, text, seal))
        self._last = seq, seal
        return seq

    def put_in(self) -> None:
        """Put in the lines that were added."""
        lines, self._lines = self._lines, []
        begin = 0
        for count in _AT_ONCE:
            while len(lines) - begin >= count:
                values = [value for line in lines[begin : begin + count] for value in line]
                self._connection.execute(f"INSERT INTO events VALUES {', '.join([_LINE] * count)}", values)  # noqa: S608 - no value is in the text
                begin += count

    def _end(self) -> tuple[int, str]:
        if self._last is not None:
            return self._last
        last = self._connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        self._last = found = last or base(self._connection)
        return found


def _text(detail: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(detail, default=str).decode()
    except TypeError:  # half a surrogate pair, which only Python's own writer can put down
        return canonical(detail)


def base(connection: sqlite3.Connection) -> tuple[int, str]:
    """Number and seal of the line before the first that is kept."""
    facts: dict[str, str] = dict(connection.execute("SELECT name, value FROM facts"))
    return int(facts.get(_BASE_SEQ, "0")), facts.get(_BASE_HASH, NOTHING)


def cut(connection: sqlite3.Connection, seq: int) -> None:
    """Drop the lines up to the one numbered `seq`, within a transaction."""
    found = connection.execute("SELECT hash FROM events WHERE seq = ?", (seq,)).fetchone()
    if found is not None:
        facts = [(_BASE_SEQ, str(seq)), (_BASE_HASH, found[0])]
        connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts)
        connection.execute("DELETE FROM events WHERE seq <= ?", (seq,))


def events(connection: sqlite3.Connection, write: int | None = None) -> Iterator[Event]:
    """Every line, or those about one write, in order."""
    where, values = ("", ()) if write is None else (" WHERE write = ?", (write,))
    rows = connection.execute(f"SELECT seq, write, at, what, detail, hash FROM events{where} ORDER BY seq", values)  # noqa: S608 - no value is in the text
    for seq, about, at, what, detail, seal in rows:
        yield Event(seq, about, at, what, json.loads(detail), seal)


def broken_at(connection: sqlite3.Connection) -> int | None:
    """The number of the first line that does not fit the one before it; `None` where all do."""
    seq, before = base(connection)
    rows = connection.execute("SELECT seq, write, at, what, detail, hash FROM events ORDER BY seq")
    for found, write, at, what, detail, seal in rows:
        if found != seq + 1 or sealed(before, found, write, at, (what, detail)) != seal:
            return seq + 1
        seq, before = found, seal
    return None
