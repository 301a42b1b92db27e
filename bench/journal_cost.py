"""What the journal adds to a write, beside FULL commits of SQLite in the same run, and what sharing commits gains.

A commit is told in three ways, since they are not the same: as SQLite comes, where its log has to grow for the first
thousand pages; with a log that has its length already, as the journal's has; and that same one from an event loop,
which has to leave a wait for the disk to a thread. A keyed write is two commits from an event loop.

`python bench/journal_cost.py [FOLDER]` measures on the disk of that folder, this one by default.
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

import uvloop
from gate_writes import through_the_gate

from headgate.proxy.journal.journal import Ending, Intent
from headgate.proxy.journal.store import SqliteJournal
from headgate.tools.keys import fingerprint

ALONE, TOGETHER = 500, 1_000
GROWN = 20_000_000
"""Bytes of the log of the file that stands for a commit whose log need not grow."""
OK = Ending("ok", {"content": [], "structuredContent": {"paid": True}})


class Plain:
    """A file with one row for each commit, found by its key."""

    def __init__(self, path: Path, *, grown: bool) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "CREATE TABLE writes (id INTEGER PRIMARY KEY, key TEXT UNIQUE, said TEXT)",
            "CREATE TABLE padding (bytes BLOB)",
        ):
            self._connection.execute(statement)
        if grown:
            self._connection.execute("INSERT INTO padding VALUES (zeroblob(?))", (GROWN,))
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)")

    def commit(self, key: str) -> None:
        """Put a row in."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO writes (key, said) VALUES (?, ?)", (key, "x" * 300))
        self._connection.execute("COMMIT")


@dataclass(slots=True)
class Taken:
    """Seconds that something took, each time."""

    what: str
    do: Callable[[str], Awaitable[None]]
    seconds: list[float] = field(default_factory=list[float])

    async def once(self, key: str) -> None:
        """Do it for a key of its own."""
        began = time.perf_counter()
        await self.do(key)
        self.seconds.append(time.perf_counter() - began)


async def measure(folder: Path) -> None:
    """Let all take turns, so that each meets the same disk and the same neighbours."""
    new, grown, awaited = (Plain(folder / f"{name}.db", grown=name != "new") for name in ("new", "grown", "awaited"))
    journal = SqliteJournal(folder / "journal.db")

    async def at_once(plain: Plain, key: str) -> None:
        plain.commit(key)

    async def from_a_loop(key: str) -> None:
        await asyncio.get_running_loop().run_in_executor(None, awaited.commit, key)

    async def keyed(key: str) -> None:
        arguments = {"account": key, "sum": 1}
        intent = Intent("", "till", "pay", key, fingerprint("till__pay", arguments), arguments)
        await journal.look(intent)
        claimed = await journal.claim(intent)
        if not isinstance(claimed, int):
            raise TypeError("the key is held")
        await journal.settle(claimed, OK)

    commits = (
        Taken("as SQLite comes, in a new file", lambda key: at_once(new, key)),
        Taken("with a log that has its length", lambda key: at_once(grown, key)),
        Taken("the same from an event loop", from_a_loop),
    )
    write = Taken("a keyed write, which is two", keyed)
    await keyed("first")
    await from_a_loop("first")
    for number in range(ALONE):
        for one in (*commits, write):
            await one.once(f"alone-{number}")
    began = time.perf_counter()
    await asyncio.gather(*(keyed(f"together-{number}") for number in range(TOGETHER)))
    together_s = (time.perf_counter() - began) / TOGETHER
    await journal.close()
    print("one FULL commit of one row, median of", ALONE)
    for one in commits:
        print(f"  {one.what:32} {median(one.seconds) * 1e3:5.2f} ms")
    times = " / ".join(f"{median(write.seconds) / median(one.seconds):.2f}" for one in commits)
    print(f"{write.what:34} {median(write.seconds) * 1e3:5.2f} ms: {times} times those")
    gain = mean(write.seconds) / together_s
    print(f"{TOGETHER} of them at once               {together_s * 1e3:5.2f} ms each: {gain:.1f} times the rate")


async def main(folder: Path) -> None:
    """All of it, with files in `folder`."""
    gc.collect()
    gc.freeze()  # as `headgate serve` does
    gc.set_threshold(20_000, 20, 20)
    await measure(folder)
    await through_the_gate(folder)


if __name__ == "__main__":
    with TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else ".") as place:
        uvloop.run(main(Path(place)))
