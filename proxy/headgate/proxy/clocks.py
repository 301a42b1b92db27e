"""Clocks of many calls with one timer: most calls have the same time, and nearly all are answered long before.

Calls of the same time end in the order in which they began, so only the first of them needs an alarm. One that has been
answered is taken out; an alarm that finds nothing due is set again for whoever is first by then.
"""

import asyncio
from typing import Protocol


class Timed(Protocol):
    """What ends when its time is over."""

    def expire(self) -> None: ...  # noqa: D102


class Clocks:
    """The clocks of the calls to one upstream."""

    def __init__(self) -> None:
        """No call yet."""
        self._of: dict[float, Row] = {}
        """By how long the calls have."""

    @property
    def rows(self) -> int:
        """How many times there are that some call has, or had until just now."""
        return len(self._of)

    def start(self, call: Timed, now: float, timeout_s: float) -> "Row":
        """End `call` in `timeout_s`, unless `stop` is said before to what this gives."""
        row = self._of.get(timeout_s)
        if row is None:
            row = self._of[timeout_s] = Row(self._of, timeout_s)
        row.start(call, now + timeout_s)
        return row


class Row:
    """The calls that have the same time, in the order in which they end."""

    __slots__ = ("_alarm", "_calls", "_loop", "_rows", "_timeout_s")

    def __init__(self, rows: "dict[float, Row]", timeout_s: float) -> None:
        """It is gone from `rows` when its alarm finds no call."""
        self._rows = rows
        self._timeout_s = timeout_s
        self._calls: dict[Timed, float] = {}
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None

    def start(self, call: Timed, ends_at: float) -> None:
        """Let `call` end then; nothing that is there ends later."""
        self._calls[call] = ends_at
        if self._alarm is None:
            self._alarm = self._loop.call_at(ends_at, self._ring)

    def stop(self, call: Timed) -> None:
        """Let `call` be: it has ended, or has another clock now."""
        self._calls.pop(call, None)

    def _ring(self) -> None:
        self._alarm = None
        now = self._loop.time()
        while self._calls:
            call, ends_at = next(iter(self._calls.items()))
            if ends_at > now:
                break
            del self._calls[call]
            call.expire()
        if self._alarm is not None:
            # Whoever heard of an end has begun another call. Two alarms would ring, and be set anew, side by side.
            self._alarm.cancel()
        if self._calls:
            self._alarm = self._loop.call_at(next(iter(self._calls.values())), self._ring)
        else:
            self._rows.pop(self._timeout_s, None)
