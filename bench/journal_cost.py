"""What the journal adds to a write, beside one FULL commit of SQLite in the same run."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

import uvloop

from headgate.proxy.journal.journal import Ending, Intent
from headgate.proxy.journal.store import SqliteJournal
from headgate.tools.keys import fingerprint

ALONE, TOGETHER = 500, 1_000
OK = Ending("ok", {"content": [], "structuredContent": {"paid": True}})


async def measure(folder: Path) -> None:
    """Take turns with the plain commits, so that both meet the same disk and the same neighbours."""
    plain = sqlite3.connect(folder / "plain.db", isolation_level=None)
    plain.execute("PRAGMA journal_mode = WAL")
    plain.execute("PRAGMA synchronous = FULL")
    plain.execute("CREATE TABLE writes (id INTEGER PRIMARY KEY, key TEXT UNIQUE, said TEXT)")
    journal = SqliteJournal(folder / "journal.db")

    def commit(number: int) -> float:
        began = time.perf_counter()
        plain.execute("BEGIN IMMEDIATE")
        plain.execute("INSERT INTO writes (key, said) VALUES (?, ?)", (f"key-{number}", "x" * 300))
        plain.execute("COMMIT")
        return time.perf_counter() - began

    async def write(key: str) -> float:
        arguments = {"account": key, "sum": 1}
        began = time.perf_counter()
        intent = Intent("", "till", "pay", key, fingerprint("till__pay", arguments), arguments)
        await journal.look(intent)
        claimed = await journal.claim(intent)
        if not isinstance(claimed, int):
            raise TypeError("the key is held")
        await journal.settle(claimed, OK)
        return time.perf_counter() - began

    await write("first")
    commits: list[float] = []
    alone: list[float] = []
    for number in range(ALONE):
        commits.append(commit(number))
        alone.append(await write(f"alone-{number}"))
    began = time.perf_counter()
    await asyncio.gather(*(write(f"together-{number}") for number in range(TOGETHER)))
    together_s = (time.perf_counter() - began) / TOGETHER
    await journal.close()
    plain.close()
    print(f"one FULL commit: {median(commits) * 1e3:.2f} ms")
    print(f"a keyed write's two: {median(alone) * 1e3:.2f} ms, {median(alone) / median(commits):.2f} times that")
    print(f"{TOGETHER} keyed writes at once: {mean(alone) / together_s:.0f} times the rate of one after another")


if __name__ == "__main__":
    with TemporaryDirectory(dir=".") as place:
        uvloop.run(measure(Path(place)))
