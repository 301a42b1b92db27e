"""Journals for tests, and writes to put into them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from headgate.proxy.journal.journal import Ending, Found, Intent
from headgate.proxy.journal.store import SqliteJournal
from headgate.tools.keys import fingerprint

OK = Ending("ok", {"content": [], "structuredContent": {"ok": True}})
UNKNOWN = Ending("unknown", code="OUTCOME_UNKNOWN", message="no answer in 1 s")


def intent(key: str | None = "k", tool: str = "pay", principal: str = "", **arguments: Any) -> Intent:
    return Intent(principal, "up", tool, key, fingerprint(f"up__{tool}", arguments), arguments)


@asynccontextmanager
async def journal_at(path: Path, **options: Any) -> AsyncGenerator[SqliteJournal]:
    journal = SqliteJournal(path, **options)
    try:
        yield journal
    finally:
        await journal.close()


def number(claimed: int | Found) -> int:
    assert isinstance(claimed, int), claimed
    return claimed


def found(claimed: int | Found | None) -> Found:
    assert isinstance(claimed, Found), claimed
    return claimed


async def settled(journal: SqliteJournal, write: int, ending: Ending = OK) -> None:
    await journal.settle(write, ending)
    await asyncio.sleep(0)


def data_of(ending: Ending) -> Mapping[str, Any]:
    assert ending.result is not None
    return ending.result
