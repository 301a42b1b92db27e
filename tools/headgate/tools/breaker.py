"""Whether an upstream is to be spared: it opens when calls keep failing, and lets one call at a time find out more.

    closed --calls keep failing--> open --its time is over--> half open --the probe is answered--> closed
                                     ^-------the probe fails, twice the time-------|

What counts is for the caller to say; here are only the figures. No clock is read and no dice are thrown.
"""

from collections import deque
from typing import Literal

IN_A_ROW = 5
"""Failures one after another that open it."""
WINDOW_S, SHARE, LEAST = 30.0, 0.5, 20
"""Or this share of at least so many calls in that time."""
FIRST_S, LONGEST_S = 0.5, 4.0
"""How long it stays open, at first and at most. A probe every few seconds is no load, and whoever waits for an upstream
that is well again should not wait long: what is usual elsewhere is a minute."""
_SLOTS = 6

Circuit = Literal["closed", "open", "half-open"]


class Breaker:
    """The breaker of one upstream. A call is known by any object of its own."""

    __slots__ = (
        "_answered",
        "_ends_at",
        "_failed",
        "_failed_at",
        "_in_a_row",
        "_open_s",
        "_past",
        "_probe",
        "_until",
        "closed",
    )

    def __init__(self) -> None:
        """Closed, and nothing known."""
        self.closed = True
        self._probe: object = None
        """The call that finds out more."""
        self._until = 0.0
        self._open_s = 0.0
        self._failed_at = float("-inf")
        self._past: deque[tuple[int, int]] = deque(maxlen=_SLOTS - 1)
        """The calls answered and failed in each slot of the window but the one under way."""
        self._ends_at = 0.0
        """When the slot under way does."""
        self._forget()

    def state(self, now: float) -> Circuit:
        """The state, in the field's own words."""
        if self.closed:
            return "closed"
        return "open" if now < self._until else "half-open"

    def wait_s(self, now: float) -> float:
        """Seconds until a call may go out; 0 where it may try, be it as the probe."""
        if self.closed:
            return 0.0
        if self._probe is not None:
            return FIRST_S
        return max(self._until - now, 0.0)

    def probe(self, call: object, now: float) -> bool:
        """Let `call` find out more; whether that is its to do."""
        if self.closed or self._probe is not None or now < self._until:
            return False
        self._probe = call
        return True

    def withdraw(self, call: object) -> None:
        """Take note that `call` has ended without showing anything; if it was the probe, the next call is."""
        if self._probe is call:
            self._probe = None

    def answered(self, call: object, now: float) -> bool:
        """Take note that `call` was answered; whether that closed it."""
        if self.closed:
            if now >= self._ends_at:
                self._roll(now)
            self._answered += 1
            self._in_a_row = 0
            return False
        if self._probe is not call:
            return False
        self._forget()
        self._probe = None
        self.closed = True
        return True

    def failed(self, call: object, began_at: float, now: float, chance: float) -> bool:
        """Take note that `call`, which went out at `began_at`, has failed; whether that opened it.

        What was under way already when the last failure came counts as part of it: calls that were in flight together
        fail together when their session breaks, and that is one failure of the upstream.
        """
        if not self.closed:
            if self._probe is not call:
                return False
            self._probe = None
            self._open(now, min(self._open_s * 2, LONGEST_S), chance)
            return True
        if began_at < self._failed_at:
            return False
        self._failed_at = now
        if now >= self._ends_at:
            self._roll(now)
        self._failed += 1
        self._in_a_row += 1
        if self._in_a_row < IN_A_ROW and not self._mostly_failing():
            return False
        self._open(now, FIRST_S, chance)
        return True

    def _open(self, now: float, seconds: float, chance: float) -> None:
        self.closed = False
        self._open_s = seconds
        # Jitter, so that upstreams that went down together are not all tried at the same instant.
        self._until = now + seconds * (1 + chance) / 2

    def _mostly_failing(self) -> bool:
        failed = self._failed + sum(failed for _, failed in self._past)
        calls = failed + self._answered + sum(answered for answered, _ in self._past)
        return calls >= LEAST and failed >= SHARE * calls

    def _roll(self, now: float) -> None:
        """Begin the slot of `now`; those that are too old fall out of the window."""
        slot_s = WINDOW_S / _SLOTS
        if now >= self._ends_at + WINDOW_S:
            self._past.clear()
            self._answered = self._failed = 0
            self._ends_at = now + slot_s
        while now >= self._ends_at:
            self._past.append((self._answered, self._failed))
            self._answered = self._failed = 0
            self._ends_at += slot_s

    def _forget(self) -> None:
        self._past.clear()
        self._answered = self._failed = self._in_a_row = 0
