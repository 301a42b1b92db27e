"""Opening a journal file: who may read it, of which version it is, and whether it is still the same one."""

import os
import secrets
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from headgate.proxy.journal.failpoint import reach
from headgate.proxy.journal.journal import JournalError
from headgate.proxy.journal.schema import MIGRATIONS, VERSION

BUSY_S = 2.0
"""How long to wait for another process that has the file to itself."""
_LOOK_AGAIN_S = 0.01
_PADDING = 1_000_000
"""Bytes that the write-ahead log is grown by at first: to write into a file is faster than to make it longer."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An open file, and which one it is."""

    path: str
    connection: sqlite3.Connection
    name: str
    """Given to it when it was made."""
    inode: int

    def is_there(self) -> bool:
        """Whether the file of that name is still the one that is open."""
        try:
            return os.stat(self.path).st_ino == self.inode  # noqa: PTH116 - it is asked before every commit
        except OSError:
            return False


def open_file(path: Path) -> Opened:
    """The journal at `path`, made where there is none, with its tables as this version has them.

    Raises:
        OSError, sqlite3.Error: It cannot be opened.
        JournalError: It is not what it was, or of a later version.

    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # SQLite gives its other files the rights of this one.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with suppress(PermissionError):
        path.chmod(0o600)
    connection = connect(path)
    try:
        name = _agree(path, connection)
        _grow(connection)
    except BaseException:
        connection.close()
        raise
    return Opened(str(path), connection, name, path.stat().st_ino)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection whose commits are on the disk when they return."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    connection = sqlite3.connect(uri, timeout=BUSY_S, isolation_level=None, uri=True, check_same_thread=False)
    if not read_only:
        _log_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Use a write-ahead log. Where another process has just begun to, SQLite does not wait for it by itself."""
    wait_until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as broken:
            if broken.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > wait_until:
                raise
            time.sleep(_LOOK_AGAIN_S)
        else:
            return


def version_of(connection: sqlite3.Connection) -> int:
    """Of the tables; 0 for a file that has none."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def set_aside(path: Path) -> Path:
    """Put the journal at `path` aside, with all that belongs to it, so that a new one can begin; where it is now.

    Raises:
        OSError: It cannot be moved.

    """
    aside = path.with_name(f"{path.name}.aside-{secrets.token_hex(4)}")
    for tail in ("-wal", "-shm", ".id"):
        part = path.with_name(path.name + tail)
        if part.exists():
            part.rename(aside.with_name(aside.name + tail))
    if path.exists():
        path.rename(aside)
    return aside


def _agree(path: Path, connection: sqlite3.Connection) -> str:
    """Bring the tables to this version, and see that the file is the journal that was here before; its name."""
    mark = path.with_name(f"{path.name}.id")
    connection.execute("BEGIN IMMEDIATE")
    try:
        known = mark.read_text("ascii").strip() if mark.exists() else ""
        _migrate(path, connection, known)
        (name,) = connection.execute("SELECT value FROM facts WHERE name = 'journal'").fetchone()
        reach("migrated")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    if known and known != name:
        raise JournalError(f"{path} is not the journal that was here before: see 'headgate journal repair'")
    if not known:
        mark.write_text(name, "ascii")
    return str(name)


def _migrate(path: Path, connection: sqlite3.Connection, known: str) -> None:
    before = version_of(connection)
    if before > VERSION:
        raise JournalError(f"{path} is of a later version of headgate ({before}, this one knows {VERSION})")
    if before == 0 and known:
        raise JournalError(f"{path} is empty, and was not: put it back, or begin anew with 'headgate journal repair'")
    for statements in MIGRATIONS[before:]:
        for statement in statements:
            connection.execute(statement)
    if before < VERSION:
        connection.execute(f"PRAGMA user_version = {VERSION}")
    if before == 0:
        connection.execute("INSERT INTO facts VALUES ('journal', ?)", (secrets.token_hex(8),))


def _grow(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO padding VALUES (zeroblob(?))", (_PADDING,))
    connection.execute("DELETE FROM padding")
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
