"""Keeping the lock file and the pins of a running gate in step, in a thread, so that nobody waits for a disk."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from headgate.proxy.pins import AllPins, Pins
from headgate.server.lock.file import LockError, read_lock, write_pins

logger = logging.getLogger(__name__)

LOOK_S = 2.0
"""How often it is looked whether somebody else has written the file."""
GATHER_S = 0.2
"""Upstreams that come up one after another are written down together."""

Stamp = tuple[int, ...]
"""What tells one state of a file from the next, without reading it."""


@asynccontextmanager
async def keeping(lock: Path | None) -> AsyncGenerator[Pins | None]:
    """The pins in the lock file, to be kept there for as long as this is open; `None` where there is no file."""
    if lock is None:
        yield None
        return
    keeper = _Keeper(lock)
    failure: Exception | None = None  # of the context's own body: it leaves as it is, not in a group
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(keeper.run())
            try:
                yield keeper.pins
            except Exception as broken:  # noqa: BLE001 - raised below
                failure = broken
            finally:
                task.cancel()
    finally:
        await keeper.write()
    if failure is not None:
        raise failure


class _Keeper:
    def __init__(self, lock: Path) -> None:
        self.pins = Pins(lock.name)
        self._lock = lock
        self._added = asyncio.Event()
        self._said = ""
        self._stamp = stamp_of(lock)
        self.pins.load(self._read())  # here, before any upstream lists: nothing must be taken for new that is not
        self.pins.added = self._added.set

    async def run(self) -> None:
        """Write what is new; read what others have written. Until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._added.wait()
            if self._added.is_set():
                await asyncio.sleep(GATHER_S)
                await self.write()
            stamp = await asyncio.to_thread(stamp_of, self._lock)
            if stamp != self._stamp:
                self._stamp = stamp
                others = await asyncio.to_thread(self._read)
                if await asyncio.to_thread(stamp_of, self._lock) is None:
                    self.pins.restore()  # taken away, as another branch does: that accepts nothing
                else:
                    self.pins.load(others)

    async def write(self) -> None:
        """Write what nobody has written down yet."""
        self._added.clear()
        fresh = self.pins.fresh()
        if fresh and await asyncio.to_thread(self._write, fresh):
            self.pins.kept(fresh)  # not before: if this is cancelled in the middle, it is done again at the end

    def _read(self) -> AllPins | None:
        try:
            return read_lock(self._lock)
        except LockError as error:
            self._say(
                f"{self._lock} {error}. Until it can be read, no annotation is trusted. Restore it, or have it written "
                "anew with: headgate trust --all"
            )
            return None

    def _write(self, fresh: AllPins) -> bool:
        try:
            write_pins(self._lock, fresh, accepted=False)
        except (OSError, LockError) as error:
            reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            self._say(
                f"{self._lock} cannot be written: {reason}. Definitions that change while headgate does not run will "
                'not be noticed. pin = "off" under [defaults] does without'
            )
            return False
        return True

    def _say(self, what: str) -> None:
        before, self._said = self._said, what  # first of all: the last writing begins while one before it may go on
        if what != before:
            logger.warning("%s", what)


def stamp_of(path: Path) -> Stamp | None:
    """Other after each writing of the file at `path`, and where another file is there now, by whatever links that is.

    `None` where there is none.
    """
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
