"""The journal as a file: SQLite, which is on the disk when it says so, and needs no server."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from headgate.proxy.journal.failpoint import reach
from headgate.proxy.journal.file import Opened, connect, open_file
from headgate.proxy.journal.journal import ArgumentsKept, Ending, Found, Intent, JournalError
from headgate.proxy.journal.ledger import Ledger
from headgate.proxy.journal.owners import Owner
from headgate.proxy.journal.upkeep import prune
from headgate.proxy.journal.writer import Job, Writer, said_of

UPKEEP_S = 600.0
"""How often what is old is looked for."""


class SqliteJournal:
    """The journal at `path`. Nothing is opened or made before it is first needed."""

    def __init__(self, path: Path, arguments: ArgumentsKept = "hash", clock: Callable[[], float] = time.time) -> None:
        """`arguments` says what is kept of a write's; `clock` gives seconds since 1970."""
        self._path = path
        self._arguments: ArgumentsKept = arguments
        self._clock = clock
        self._writer = Writer(self._ledger, self._close_file, self._keep_up)
        self._owner: Owner | None = None
        self._opened: Opened | None = None
        self._tables: Ledger | None = None
        self._reader: Ledger | None = None
        self._name = ""
        self._kept_up_at = clock()

    async def look(self, intent: Intent) -> Found | None:
        """Look the key up: a read of some 20 µs, by way of no other thread."""
        if self._reader is None:
            await self._writer.done(Job(lambda _ledger: None))
            self._open_reader()
        reader = self._reader
        if reader is None:
            return None
        try:
            return reader.holder(intent, self._clock())
        except sqlite3.Error:
            self._close_reader()
            return None  # the claim will tell

    async def claim(self, intent: Intent) -> int | Found:
        """Write the intent down. Called off meanwhile, it is freed again."""
        job: Job[int | Found] = Job(lambda ledger: ledger.claim(intent, self._clock()), lost=self._free)
        return await self._writer.done(job)

    async def settle(self, write: int, ending: Ending) -> None:
        """Write the ending down. Where that fails it is kept, and written with whatever can be written next."""
        try:
            await self._writer.done(Job(lambda ledger: ledger.settle(write, ending, self._clock()), kept=True))
        except JournalError:
            return

    def note(self, write: int, ending: Ending) -> None:
        """Have the ending written down."""
        self._writer.submit(Job(lambda ledger: ledger.settle(write, ending, self._clock()), kept=True))

    async def close(self) -> None:
        """Write down what is still to be written, and close the file."""
        self._close_reader()
        await self._writer.close()
        if self._owner is not None:
            self._owner.leave()
            self._owner = None

    def _free(self, claimed: int | Found) -> None:
        if isinstance(claimed, int):
            self.note(claimed, Ending("not_sent", code="CANCELLED", message="it was called off"))

    def _ledger(self) -> Ledger:
        """The tables, in the writer's thread."""
        if self._opened is not None and not self._opened.is_there():
            raise JournalError(f"{self._path} was moved or taken away while headgate was running: put it back")
        if self._opened is None:
            self._open_file()
        if self._tables is None:
            raise RuntimeError("the journal is not open")
        return self._tables

    def _open_file(self) -> None:
        try:
            opened = open_file(self._path)
            if self._owner is None:
                self._owner = Owner(self._path)
        except (OSError, sqlite3.Error) as broken:
            raise JournalError(f"its journal {self._path} cannot be opened: {said_of(broken)}") from None
        if self._name not in ("", opened.name):
            opened.connection.close()
            raise JournalError(
                f"{self._path} is another journal than before: put the right one back, or restart headgate"
            )
        self._name = opened.name
        self._opened = opened
        ledger = self._tables = Ledger(opened.connection, self._owner.name, self._owner.lives, self._arguments)
        with ledger.transaction():
            ledger.recover(self._clock())
            reach("recovered")

    def _keep_up(self, ledger: Ledger) -> None:
        now = self._clock()
        if abs(now - self._kept_up_at) < UPKEEP_S:
            return
        self._kept_up_at = now
        with ledger.transaction():
            ledger.recover(now)
        with ledger.transaction():
            prune(ledger.connection, ledger.chain, now)
            reach("pruned")

    def _close_file(self) -> None:
        if self._opened is not None:
            self._opened.connection.close()
            self._opened = self._tables = None

    def _open_reader(self) -> None:
        try:
            connection = connect(self._path, read_only=True)
            connection.execute("PRAGMA busy_timeout = 0")
            self._reader = Ledger(connection, self._owner.name if self._owner else "", lambda _name: True)
        except sqlite3.Error:
            self._reader = None

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.connection.close()
            self._reader = None
