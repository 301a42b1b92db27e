"""Which processes that write in a journal still run.

Each holds a lock on a file of its own beside the journal, for as long as it lives: the system lets go of it when the
process dies, however that comes. A process that only stands still holds it on, and nobody takes it for dead. Process
numbers would not do, since those of two containers have nothing to do with each other.
"""

import os
import secrets
import sys
from contextlib import suppress
from pathlib import Path


class Owner:
    """This process, as the journal at `journal` knows it."""

    def __init__(self, journal: Path) -> None:
        """Take the lock; raises OSError where the system has none to give."""
        self.name = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._journal = journal
        self._file = os.open(_place(journal, self.name), os.O_RDWR | os.O_CREAT, 0o600)
        if not locked(self._file):
            raise OSError(f"the lock of {self.name} is not free")

    def lives(self, name: str) -> bool:
        """Whether the owner of that name still runs."""
        return name == self.name or is_alive(self._journal, name)

    def leave(self) -> None:
        """Let go of the lock."""
        with suppress(OSError):
            _place(self._journal, self.name).unlink()
        os.close(self._file)


def is_alive(journal: Path, name: str) -> bool:
    """Whether the owner of that name still runs. What a dead one has left is cleared away."""
    place = _place(journal, name)
    try:
        file = os.open(place, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        if not locked(file):
            return True
        with suppress(OSError):
            place.unlink()
        return False
    finally:
        os.close(file)


def _place(journal: Path, name: str) -> Path:
    return journal.with_name(f"{journal.name}.{name}.owner")


if sys.platform == "win32":
    import msvcrt

    def locked(file: int) -> bool:
        """Take the lock of an open file if it is free, for as long as it is open; whether it was."""
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def locked(file: int) -> bool:
        """Take the lock of an open file if it is free, for as long as it is open; whether it was."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
