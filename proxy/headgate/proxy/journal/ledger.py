"""What is done to the tables of a journal, each within a transaction.

A write costs few statements, and few pages of the file, since all of them wait for the disk: a claim tries to put its
row in and looks for the one that holds its key only where that fails. So it is with the end of the chain: both a claim
and an ending count on its being where it was, and look for it only where it is not.
"""

import json
import sqlite3
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, get_args

import orjson

from headgate.proxy.journal.chain import Chain
from headgate.proxy.journal.journal import ArgumentsKept, Ending, Found, Intent
from headgate.tools.exact import exact
from headgate.tools.keys import Entry, WriteState, is_over, may_become

MAX_RESULT = 1_000_000
"""Bytes of a result that is kept to be replayed."""
_HOLDER = """SELECT id, fingerprint, state, owner, ended_at, ending FROM writes
             WHERE key = ? AND tool = ? AND upstream = ? AND principal = ? AND live = 1"""
_INTEND = """INSERT INTO writes SELECT ?, ?, ?, ?, ?, ?, 'intent', ?, ?, NULL, NULL, ?, ?, ?, ?
             WHERE NOT EXISTS (SELECT 1 FROM events WHERE seq >= ?) ON CONFLICT DO NOTHING"""


def _settling(state: WriteState) -> str:
    """The statement that settles a write. One that keeps its key leaves `live` alone, and so a page of its index."""
    before = ", ".join(f"'{one}'" for one in get_args(WriteState) if may_become(one, state))
    freed = ", live = NULL" if state == "not_sent" else ""
    return f"""
        UPDATE writes SET state = '{state}', ended_at = ?, ending = ?{freed} WHERE id = ? AND state IN ({before})
        AND NOT EXISTS (SELECT 1 FROM events WHERE seq >= ?) AND NOT EXISTS (SELECT 1 FROM writes WHERE id = ?)"""  # noqa: S608 - nothing in the text comes from outside


_SETTLE: Mapping[WriteState, str] = {state: _settling(state) for state in get_args(WriteState)}


@dataclass(slots=True)
class Ledger:
    """The tables as one owner sees them."""

    connection: sqlite3.Connection
    owner: str
    lives: Callable[[str], bool]
    """Whether the owner of that name still runs."""
    arguments: ArgumentsKept = "hash"
    chain: Chain = field(init=False)
    _cursor: sqlite3.Cursor = field(init=False)
    """For what gives no rows, so that not every statement makes one."""

    def __post_init__(self) -> None:
        """Nothing is looked up before it is needed."""
        self.chain = Chain(self.connection)
        self._cursor = self.connection.cursor()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Have all that is done meanwhile on the disk when this ends, or nothing of it."""
        self.begin()
        try:
            yield
            self.commit()
        except BaseException:
            self.give_up()
            raise

    def begin(self) -> None:
        """Begin a transaction, for whoever ends it by `commit` or `give_up`."""
        self._cursor.execute("BEGIN IMMEDIATE")
        self.chain.begun()

    def commit(self) -> None:
        """Have all that was done since `begin` on the disk."""
        self.chain.put_in()
        self._cursor.execute("COMMIT")

    def give_up(self) -> None:
        """Undo what was done since `begin`."""
        self.chain.given_up()
        with suppress(sqlite3.Error):
            self.connection.execute("ROLLBACK")

    def holder(self, intent: Intent, now: float) -> Found | None:
        """The write that holds the intent's key, if any does. Changes nothing."""
        return self._holder(intent, now)[0]

    def _holder(self, intent: Intent, now: float) -> tuple[Found | None, int | None]:
        """The write that holds a key, or the number of one that held it until its time was over."""
        place = (intent.key, intent.tool, intent.upstream, intent.principal)
        found = self.connection.execute(_HOLDER, place).fetchone()
        if found is None:
            return None, None
        if is_over(Entry(found[1], found[2], found[4]), now):
            return None, found[0]
        return Found(found[0], found[1], ending_of(found[2], found[5]), here=found[3] == self.owner), None

    def claim(self, intent: Intent, now: float) -> int | Found:
        """Write an intent down; or the write that holds its key."""
        write = self._intend(intent, now)
        if write is None and self.chain.moved():
            write = self._intend(intent, now)
        if write is not None:
            return write
        found, over = self._holder(intent, now)
        if found is not None:
            return self._settled_if_dead(found, now)
        self.connection.execute("UPDATE writes SET live = NULL WHERE id = ?", (over,))
        write = self._intend(intent, now)
        if write is None:
            raise sqlite3.IntegrityError("neither is the key held nor is it free")
        return write

    def _intend(self, intent: Intent, now: float) -> int | None:
        """Put the row of a write in; its number, or `None` where its key is held or the end of the chain has moved."""
        write, told, seal = self.chain.intent(now, self._told(intent))
        live = None if intent.key is None else 1
        row = (write, *intent.scope, intent.fingerprint, self.owner, now, live, write, told, seal, write)
        if self._cursor.execute(_INTEND, row).rowcount != 1:
            return None
        self.chain.intended(write, seal)
        return write

    def settle(self, write: int, ending: Ending, now: float, by: Mapping[str, Any] | None = None) -> bool:
        """Write an ending down; whether that changed anything. `by` says who settled it, where it was a person."""
        kept = _ending_to_keep(ending)
        ended_at = None if ending.state == "unknown" else now
        if not self._ended(write, ending.state, ended_at, kept):
            return False
        detail: dict[str, Any] = {"code": ending.code, "result": None if kept is None else digest(kept), **(by or {})}
        self.chain.append(write, now, ending.state, detail)
        return True

    def _ended(self, write: int, state: WriteState, ended_at: float | None, kept: bytes | None) -> bool:
        """Let the row of a write have its ending; whether it was one that may still have it."""
        while True:
            following = self.chain.following
            row = (ended_at, kept, write, following, following)
            if self._cursor.execute(_SETTLE[state], row).rowcount == 1:
                self.chain.found_free()
                return True
            if not self.chain.moved():
                return False

    def recover(self, now: float) -> int:
        """Let what dead owners have left at its intent be unknown; how many that were."""
        rows = self.connection.execute("SELECT id, owner FROM writes WHERE state = 'intent'").fetchall()
        dead = {owner for owner in {owner for _, owner in rows} if owner != self.owner and not self.lives(owner)}
        left = [write for write, owner in rows if owner in dead]
        for write in left:
            self.settle(write, LEFT_BEHIND, now)
        return len(left)

    def _settled_if_dead(self, found: Found, now: float) -> Found:
        """`found`, unknown where its owner has died over it."""
        (owner,) = self.connection.execute("SELECT owner FROM writes WHERE id = ?", (found.id,)).fetchone()
        if found.ending.state != "intent" or owner == self.owner or self.lives(owner):
            return found
        self.settle(found.id, LEFT_BEHIND, now)
        return Found(found.id, found.fingerprint, LEFT_BEHIND)

    def _told(self, intent: Intent) -> dict[str, Any]:
        """What the chain says of an intent."""
        told: dict[str, Any] = {
            "principal": intent.principal,
            "upstream": intent.upstream,
            "tool": intent.tool,
            "class": "write",
            "key": intent.key,
            "owner": self.owner,
        }
        if self.arguments != "none":
            told["fingerprint"] = intent.fingerprint
            told["argument_names"] = sorted(intent.arguments)
        if self.arguments == "full":
            told["arguments"] = intent.arguments
        return told


LEFT_BEHIND = Ending(
    "unknown",
    code="OUTCOME_UNKNOWN",
    message="headgate ended while this write was under way, and nobody saw its answer",
)


def _ending_to_keep(ending: Ending) -> bytes | None:
    """An ending as it is kept: an answer too large for that is kept as the fact that there was one."""
    if ending.result is None and ending.code is None:
        return None
    kept = _text({"result": ending.result, "code": ending.code, "message": ending.message})
    if len(kept) <= MAX_RESULT or ending.result is None:
        return kept
    said = f"it was answered, with {len(kept)} bytes: too large to be kept. Read what it has changed instead"
    return _text({"result": _in_place_of(ending.result.get("isError") is True, said), "code": None, "message": ""})


def ending_of(state: WriteState, kept: bytes | None) -> Ending:
    """An ending as it was kept."""
    if kept is None:
        forgotten = _in_place_of(state == "failed", "it was answered; its answer is not kept any more")
        return Ending(state, forgotten if state in ("ok", "failed") else None)
    read = exact(kept)
    return Ending(state, read["result"], read["code"], read["message"])


def _in_place_of(failed: bool, said: str) -> dict[str, Any]:  # noqa: FBT001 - as the protocol has it
    return {"content": [{"type": "text", "text": f"This write has been made, and {said}."}], "isError": failed}


def _text(value: object) -> bytes:
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # an integer of more than 64 bits, or half a surrogate pair
        return json.dumps(value, default=str, separators=(",", ":")).encode()


def digest(kept: bytes) -> str:
    """What the chain says of an ending that is kept."""
    return sha256(kept).hexdigest()
