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
_PUT_IN = {
    count: "INSERT INTO events VALUES " + ", ".join(["(?, ?, ?, ?, ?, ?)"] * count)  # noqa: S608 - no value is in the text
    for count in (64, 16, 4, 1)
}
"""The statements that put in so many lines: few different ones, so that each is prepared once."""
_BASE_SEQ, _BASE_HASH = "base_seq", "base_hash"


def _lines(where: str = "TRUE") -> str:
    """The statement that finds lines: those of intents stand in the rows of their writes, all others by themselves."""
    return f"""
        SELECT id AS seq, id AS write, intended_at AS at, 'intent' AS what, coalesce(told, '') AS detail, seal AS hash
        FROM writes WHERE (told IS NOT NULL OR seal IS NOT NULL) AND {where}
        UNION ALL SELECT seq, write, at, what, detail, hash FROM events WHERE {where}"""  # noqa: S608 - no value is in the text


_EVERY = f"{_lines()} ORDER BY seq"
_LAST = f"{_lines()} ORDER BY seq DESC LIMIT 1"
_ABOUT = f"{_lines('write = ?')} ORDER BY seq"


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
    """The end of the chain, as one connection knows it.

    Each statement lets go of the interpreter, and a busy event loop is slow to give it back. So lines are put in
    several at a time, and the end is not looked up for every transaction: whoever adds a line sees that its number,
    `following`, is free.
    """

    __slots__ = ("_connection", "_cursor", "_last", "_lines", "_sure")

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Whatever `connection` adds is added here."""
        self._connection = connection
        self._cursor = connection.cursor()
        self._last: tuple[int, str] | None = None
        self._lines: list[tuple[int, int, float, str, str, str]] = []
        self._sure = False

    def begun(self) -> None:
        """A transaction has begun. Others may have added lines since the one before it, and add none until it ends."""
        self._sure = False

    def given_up(self) -> None:
        """The transaction was rolled back, and what was added in it."""
        self._last = None
        self._lines = []

    @property
    def following(self) -> int:
        """The number of the next line, unless the end has moved."""
        return (self._last or self._end())[0] + 1

    def found_free(self) -> None:
        """Nobody has a line numbered `following`: what is known as the end is the end."""
        self._sure = True

    def moved(self) -> bool:
        """Whether the end has moved; it is known from now on."""
        if self._sure:
            return False
        before = self._last
        return self._end() != before

    def intent(self, at: float, detail: Mapping[str, Any]) -> tuple[int, str, str]:
        """A new write's number, which is that of its line, and the line's detail and seal. See `intended`."""
        before, seal_before = self._last or self._end()
        text = _text(detail)
        return before + 1, text, sealed(seal_before, before + 1, before + 1, at, ("intent", text))

    def intended(self, write: int, seal: str) -> None:
        """The row of a new write has been put in, where nobody had one, and with it its line."""
        self._last = write, seal
        self._sure = True

    def append(self, write: int, at: float, what: str, detail: Mapping[str, Any]) -> int:
        """Add a line, which stands there from `put_in` on; its number."""
        if not self._sure:
            self.moved()
        before, seal_before = self._last or self._end()
        seq = before + 1
        text = _text(detail)
        seal = sealed(seal_before, seq, write, at, (what, text))
        self._lines.append((seq, write, at, what, text, seal))
        self._last = seq, seal
        return seq

    def put_in(self) -> None:
        """Put in the lines that were added."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        begin = 0
        for count, statement in _PUT_IN.items():
            while len(lines) - begin >= count:
                values = [value for line in lines[begin : begin + count] for value in line]
                self._cursor.execute(statement, values)
                begin += count

    def _end(self) -> tuple[int, str]:
        last = self._connection.execute(_LAST).fetchone()
        self._last = found = base(self._connection) if last is None else (last[0], last[-1])
        self._sure = True
        return found


def _text(detail: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(detail, default=str).decode()
    except TypeError:  # an integer of more than 64 bits, or half a surrogate pair
        return canonical(detail)


def base(connection: sqlite3.Connection) -> tuple[int, str]:
    """Number and seal of the line before the first that is kept."""
    facts: dict[str, str] = dict(connection.execute("SELECT name, value FROM facts"))
    return int(facts.get(_BASE_SEQ, "0")), facts.get(_BASE_HASH, NOTHING)


def last_before(connection: sqlite3.Connection, at: float) -> int | None:
    """The number of the last line from before a time, in seconds since 1970; `None` where there is none."""
    (last,) = connection.execute(f"SELECT max(seq) FROM ({_lines('at < ?')})", (at, at)).fetchone()  # noqa: S608 - no value is in the text
    return last


def cut(connection: sqlite3.Connection, seq: int) -> None:
    """Drop the lines up to the one numbered `seq`, within a transaction. Of intents, that of what was told again."""
    found = connection.execute(_lines("seq = ?"), (seq, seq)).fetchone()
    if found is not None:
        facts = [(_BASE_SEQ, str(seq)), (_BASE_HASH, found[-1])]
        connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts)
        connection.execute("DELETE FROM events WHERE seq <= ?", (seq,))
        connection.execute("UPDATE writes SET told = NULL, seal = NULL WHERE id <= ?", (seq,))


def events(connection: sqlite3.Connection, write: int | None = None) -> Iterator[Event]:
    """Every line, or those about one write, in order."""
    rows = connection.execute(_EVERY) if write is None else connection.execute(_ABOUT, (write, write))
    for seq, about, at, what, detail, seal in rows:
        yield Event(seq, about, at, what, json.loads(detail), seal)


def size(connection: sqlite3.Connection) -> tuple[int, str | None]:
    """How many lines there are, and the seal of the last."""
    (count,) = connection.execute(f"SELECT count(*) FROM ({_EVERY})").fetchone()  # noqa: S608 - no value is in the text
    last = connection.execute(_LAST).fetchone()
    return count, None if last is None else last[-1]


def broken_at(connection: sqlite3.Connection) -> int | None:
    """The number of the first line that does not fit the one before it; `None` where all do."""
    seq, before = base(connection)
    for found, write, at, what, detail, seal in connection.execute(_EVERY):
        if found != seq + 1 or sealed(before, found, write, at, (what, detail)) != seal:
            return seq + 1
        seq, before = found, seal
    return None
