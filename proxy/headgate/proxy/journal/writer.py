"""The one thread that writes in a journal file.

Whatever has come in while a commit was under way goes into the next one together: a commit waits for the disk, and a
thousand writes need not do that one after another. A commit that fails fails for all that is in it, and the file is
opened anew for the next.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from headgate.proxy.journal.failpoint import reach
from headgate.proxy.journal.journal import JournalError
from headgate.proxy.journal.ledger import Ledger

logger = logging.getLogger(__name__)

T = TypeVar("T")
MAX_GROUP = 2_000
"""Jobs of one commit."""
MAX_UNWRITTEN = 10_000
"""Endings that are kept while they cannot be written."""
_CHECKPOINT_EVERY, _CHECKPOINT_AT_LAST = 150, 5_000
"""Jobs after which the write-ahead log is copied into the file: when there is nothing else to do, or in any case."""


class Job(Generic[T]):
    """Something to do within a transaction."""

    __slots__ = ("done", "kept", "loop", "lost", "run")

    def __init__(
        self, run: Callable[[Ledger], T], *, kept: bool = False, lost: Callable[[T], None] | None = None
    ) -> None:
        """`kept`: if it cannot be done now it is done later.

        `lost` is given the result where whoever waited for it has gone.
        """
        self.run = run
        self.lost = lost
        self.kept = kept
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[T] | None = None
        """Where somebody waits for it."""


class Writer:
    """The thread, started with the first job."""

    def __init__(
        self, opened: Callable[[], Ledger], closed: Callable[[], None], upkeep: Callable[[Ledger], None]
    ) -> None:
        """`opened` gives the tables, the same ones until `closed`; `upkeep` is done in a transaction now and then."""
        self._opened = opened
        self._closed = closed
        self._upkeep = upkeep
        self._gathered: list[Job[Any]] = []
        self._jobs: queue.SimpleQueue[list[Job[Any]] | None] = queue.SimpleQueue()
        self._unwritten: list[Job[Any]] = []
        self._since_checkpoint = 0
        self._thread: threading.Thread | None = None

    def done(self, job: Job[T]) -> asyncio.Future[T]:
        """Have a job done: its result, or JournalError if that cannot be."""
        job.done = job.loop.create_future()
        self.submit(job)
        return job.done

    def submit(self, job: Job[Any]) -> None:
        """Have a job done that nobody waits for."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="headgate journal", daemon=True)
            self._thread.start()
        self._gathered.append(job)
        if len(self._gathered) == 1:
            # Whatever else this turn of the loop and the next bring goes along, and wakes the thread only once.
            job.loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._jobs.put(gathered)

    async def close(self) -> None:
        """Do what is still to be done, and end."""
        if self._thread is not None:
            self._hand_over()
            self._jobs.put(None)
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
            self._thread = None

    def _work(self) -> None:
        going_on = True
        while going_on:
            jobs, going_on = self._next()
            self._do(jobs)
        if self._unwritten:
            logger.error("%d endings of writes could not be written to the journal", len(self._unwritten))
        self._closed()

    def _next(self) -> tuple[list[Job[Any]], bool]:
        """What there is to do; and whether more may come."""
        jobs = self._jobs.get()
        while jobs is not None and len(jobs) < MAX_GROUP and not self._jobs.empty():
            more = self._jobs.get()
            if more is None:
                return jobs, False
            jobs.extend(more)
        return ([], False) if jobs is None else (jobs, True)

    def _do(self, jobs: list[Job[Any]]) -> None:
        if self._unwritten:
            jobs, self._unwritten = [*self._unwritten, *jobs], []
        if not jobs:
            return
        try:
            results = self._transaction(jobs)
        except Exception as broken:  # noqa: BLE001 - whatever it is, whoever waits must hear of it
            self._failed(jobs, broken)
            return
        _tell(jobs, results)
        self._since_checkpoint += len(jobs)
        idle = self._jobs.empty()
        if self._since_checkpoint >= (_CHECKPOINT_EVERY if idle else _CHECKPOINT_AT_LAST):
            self._tidy()

    def _transaction(self, jobs: Sequence[Job[Any]]) -> list[Any]:
        reach("writing")
        ledger = self._opened()
        ledger.begin()
        try:
            results = [job.run(ledger) for job in jobs]
            reach("written")
            ledger.commit()
        except BaseException:
            ledger.give_up()
            raise
        reach("committed")
        return results

    def _tidy(self) -> None:
        self._since_checkpoint = 0
        try:
            ledger = self._opened()
            ledger.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            reach("checkpointed")
            self._upkeep(ledger)
        except Exception as broken:  # noqa: BLE001 - the next job meets it too, and somebody waits for that one
            logger.warning("the upkeep of the journal failed: %s", said_of(broken))

    def _failed(self, jobs: Sequence[Job[Any]], broken: Exception) -> None:
        self._closed()
        said = said_of(broken)
        wrong = broken if isinstance(broken, JournalError) else JournalError(f"its journal cannot be written: {said}")
        kept = [job for job in jobs if job.kept]
        self._unwritten = kept[-MAX_UNWRITTEN:]
        if kept:
            logger.error("what became of %d writes is not in the journal yet: %s", len(kept), said)
        _tell(jobs, [wrong] * len(jobs))


def said_of(broken: Exception) -> str:
    """What went wrong with the file, in one line."""
    if isinstance(broken, OSError):
        reason = broken.strerror or type(broken).__name__
        return f"{broken.filename}: {reason}" if broken.filename else reason
    return " ".join(str(broken).split()) or type(broken).__name__


def _tell(jobs: Sequence[Job[Any]], results: Sequence[Any]) -> None:
    """Wake up those who wait, with one call for all of them that share a loop."""
    for loop in {job.loop for job in jobs if job.done is not None}:
        try:
            loop.call_soon_threadsafe(_wake, loop, jobs, results)
        except RuntimeError:  # the loop has been closed: nobody waits there any more
            continue


def _wake(loop: asyncio.AbstractEventLoop, jobs: Sequence[Job[Any]], results: Sequence[Any]) -> None:
    for job, result in zip(jobs, results, strict=True):
        done = job.done
        if done is None or job.loop is not loop:
            continue
        if done.done():
            if job.lost is not None and done.cancelled() and not isinstance(result, JournalError):
                job.lost(result)
        elif isinstance(result, JournalError):
            done.set_exception(JournalError(*result.args))
        else:
            done.set_result(result)
