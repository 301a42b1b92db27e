"""A journal that lives as long as its process: for embedding, for tests, and for whoever can do without a file."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from headgate.proxy.journal.journal import Ending, Found, Intent
from headgate.tools.keys import Entry, is_over, may_become

MAX_SETTLED = 10_000
"""Settled writes that are remembered; the oldest go first."""


@dataclass(slots=True)
class _Write:
    intent: Intent
    ending: Ending
    ended_at: float | None = None

    @property
    def entry(self) -> Entry:
        return Entry(self.intent.fingerprint, self.ending.state, self.ended_at)


class MemoryJournal:
    """Writes by number, and the numbers of those that hold keys."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds, and outlives no process either."""
        self._clock = clock
        self._writes: dict[int, _Write] = {}
        self._held: dict[tuple[str, str, str, str | None], int] = {}
        self._last = 0

    async def look(self, intent: Intent) -> Found | None:
        """Look the key up."""
        return self._holder(intent)

    async def claim(self, intent: Intent) -> int | Found:
        """Note the intent, unless its key is held."""
        found = self._holder(intent)
        if found is not None:
            return found
        self._last += 1
        self._writes[self._last] = _Write(intent, Ending("intent"))
        if intent.key is not None:
            self._held[intent.scope] = self._last
        return self._last

    async def settle(self, write: int, ending: Ending) -> None:
        """Note the ending."""
        self.note(write, ending)

    def note(self, write: int, ending: Ending) -> None:
        """Note the ending."""
        found = self._writes.get(write)
        if found is None or not may_become(found.ending.state, ending.state):
            return
        found.ending = ending
        if ending.state != "unknown":
            found.ended_at = self._clock()
            if found.intent.key is None or ending.state == "not_sent":
                self._forget(write)
        self._trim()

    async def close(self) -> None:
        """Nothing is held that would have to be let go."""

    def _holder(self, intent: Intent) -> Found | None:
        write = None if intent.key is None else self._held.get(intent.scope)
        if write is None:
            return None
        found = self._writes[write]
        if is_over(found.entry, self._clock()):
            self._forget(write)
            return None
        return Found(write, found.intent.fingerprint, found.ending, here=True)

    def _forget(self, write: int) -> None:
        found = self._writes.pop(write)
        if self._held.get(found.intent.scope) == write:
            del self._held[found.intent.scope]

    def _trim(self) -> None:
        if len(self._writes) > MAX_SETTLED:
            settled = (write for write, it in self._writes.items() if it.ended_at is not None)
            oldest = next(settled, None)
            if oldest is not None:
                self._forget(oldest)
