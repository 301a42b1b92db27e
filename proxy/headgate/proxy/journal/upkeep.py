"""Keeping a journal to its size: what is old goes, and what is not settled stays."""

import sqlite3
from typing import Any

from headgate.proxy.journal import chain
from headgate.tools.keys import KEPT_S

KEEP_S = 30 * 86400.0
"""How long settled writes and their lines of the chain are kept."""
MAX_BYTES = 256 * 1024 * 1024
"""What the file is kept to. Unsettled writes, and keys of the last 24 hours without their answers, may exceed it."""


_ANSWERED = "FROM writes WHERE ending IS NOT NULL AND state IN ('ok', 'failed')"
_MIDDLE = f"SELECT ended_at {_ANSWERED} ORDER BY ended_at LIMIT 1 OFFSET (SELECT count(*) / 2 {_ANSWERED})"


def prune(connection: sqlite3.Connection, end: chain.Chain, now: float, max_bytes: int = MAX_BYTES) -> None:
    """Drop what is old enough, and of the rest what is too much, and say so at the `end`; within a transaction."""
    _forget_answers(connection, end, now, now - KEPT_S)
    _drop(connection, end, now, now - KEEP_S)
    if used_bytes(connection) > max_bytes:
        _drop(connection, end, now, now - KEPT_S)
    if used_bytes(connection) > max_bytes:
        # The largest part is answers, and the oldest are the least likely to be asked for again.
        found = connection.execute(_MIDDLE).fetchone()
        if found is not None:
            _forget_answers(connection, end, now, found[0])
    end.put_in()


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    (pages,), (free,), (size,) = (
        connection.execute(f"PRAGMA {what}").fetchone() for what in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _forget_answers(connection: sqlite3.Connection, end: chain.Chain, now: float, before: float) -> None:
    """Forget the answers of writes that were settled up to `before`."""
    gone = connection.execute(
        "UPDATE writes SET ending = NULL WHERE ended_at <= ? AND state IN ('ok', 'failed') AND ending IS NOT NULL",
        (before,),
    ).rowcount
    if gone > 0:
        end.append(0, now, "forgot", {"settled_before": before, "answers": gone})


def _drop(connection: sqlite3.Connection, end: chain.Chain, now: float, before: float) -> None:
    """Drop settled writes and lines of the chain from before a time; what is unsettled is told again at its end."""
    last = chain.last_before(connection, before)
    if last is None:
        return
    kept = "first_event <= ? AND NOT (ended_at IS NOT NULL AND ended_at < ?)"
    for row in connection.execute(f"SELECT id, state FROM writes WHERE {kept}", (last, before)).fetchall():  # noqa: S608 - no value is in the text
        _carry(connection, end, now, *row)
    chain.cut(connection, last)
    connection.execute("DELETE FROM writes WHERE first_event <= ?", (last,))
    end.append(0, now, "dropped", {"up_to": last})
    end.put_in()


def _carry(connection: sqlite3.Connection, end: chain.Chain, now: float, write: int, state: str) -> None:
    """Tell a write's story again at the end of the chain, so that its beginning can be dropped."""
    detail: dict[str, Any] = {}
    for event in chain.events(connection, write):
        began = {"intended_at": event.at} if event.what == "intent" else {}
        detail |= {**event.detail, **began}
    seq = end.append(write, now, "carried", {**detail, "state": state})
    connection.execute("UPDATE writes SET first_event = ? WHERE id = ?", (seq, write))
