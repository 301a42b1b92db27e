"""Whether a journal is as it was written: its chain unbroken, and each write as the chain tells it."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from headgate.proxy.journal import chain
from headgate.proxy.journal.ledger import digest

_TOLD = ("principal", "upstream", "tool", "key", "owner", "intended_at")
_SETTLED = ("ok", "failed", "unknown", "not_sent")


def faults_in(connection: sqlite3.Connection) -> list[str]:
    """Everything that does not fit, a sentence each; in a journal that nobody has touched there is nothing."""
    broken = chain.broken_at(connection)
    if broken is not None:
        return [f"the chain is broken at line {broken}: it, or one near it, was changed, put in or taken out"]
    return [*_faults_of_writes(connection)]


def _faults_of_writes(connection: sqlite3.Connection) -> Iterator[str]:
    stories: dict[int, dict[str, Any]] = {}
    forgotten_before = 0.0
    for event in chain.events(connection):
        detail = dict(event.detail)
        if event.what == "forgot":
            forgotten_before = max(forgotten_before, detail["settled_before"])
        if event.write == 0:
            continue
        if event.what in ("intent", "carried"):
            state = detail.get("state", "intent")
            began = {"result": None, "intended_at": event.at, **detail}
            stories[event.write] = {**began, "state": state, "first": event.seq, "ended_at": None}
        elif event.what in _SETTLED and event.write in stories:
            ended_at = None if event.what == "unknown" else event.at
            story = {"state": event.what, "result": detail.get("result"), "ended_at": ended_at}
            stories[event.write] |= story
    columns = (
        "id, principal, upstream, tool, key, owner, intended_at, fingerprint, state, ended_at, ending, first_event"
    )
    rows = connection.execute(f"SELECT {columns} FROM writes")  # noqa: S608 - no value is in the text
    seen: set[int] = set()
    for row in rows:
        seen.add(row[0])
        told = stories.get(row[0])
        if told is None:
            yield f"write {row[0]} was put in: the chain knows nothing of it"
        elif wrong := _difference(row, told, forgotten_before):
            yield f"write {row[0]} was changed: its {wrong} is not what the chain says"
    yield from (f"write {write} was taken out" for write in sorted(stories.keys() - seen))
    yield from _keys_let_go(connection)


def _difference(row: tuple[Any, ...], told: dict[str, Any], forgotten_before: float) -> str | None:
    """What of a write's row is not as its story has it."""
    _, *said, fingerprint, state, ended_at, ending, first = row
    for name, value in zip(_TOLD, said, strict=True):
        if value != told.get(name):
            return name
    if "fingerprint" in told and fingerprint != told["fingerprint"]:
        return "fingerprint"
    if state != told["state"]:
        return "state"
    if first != told["first"] or (told["ended_at"] is not None and ended_at != told["ended_at"]):
        return "time"
    if ending is None and told["result"] is not None:
        return None if ended_at is not None and ended_at <= forgotten_before else "answer"
    return None if ending is None or digest(ending) == told["result"] else "answer"


def _keys_let_go(connection: sqlite3.Connection) -> Iterator[str]:
    """Writes that no longer hold their key though nothing has freed it."""
    rows = connection.execute(
        "SELECT id FROM writes AS it WHERE key IS NOT NULL AND live IS NULL AND state <> 'not_sent' AND NOT EXISTS "
        "(SELECT 1 FROM writes AS later WHERE later.id > it.id AND later.key = it.key AND later.tool = it.tool "
        "AND later.upstream = it.upstream AND later.principal = it.principal)"
    )
    for (write,) in rows:
        yield f"write {write} was changed: its key was freed"


def lines(connection: sqlite3.Connection) -> Iterator[str]:
    """The chain as JSON, a line for each event."""
    for event in chain.events(connection):
        yield json.dumps(event.as_json(), ensure_ascii=False)
