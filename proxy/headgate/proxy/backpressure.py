"""How those are read who say more than they were asked for: a little at a time, and no two of them at the same time.

What is not read fills a pipe or a window, and then whoever floods us has to wait with it.
"""

import asyncio
from weakref import WeakKeyDictionary

PART = 500
"""How much of what nobody asked for is taken in before a pause, in short lines that are no messages: 1 ms of work."""
HEAVY = 512
"""Bytes that weigh as much as one line more."""
LET_GO = 2_048
"""The same, of what is only let go as it comes in."""
_PARSED = 3
"""How much more a line weighs that is a message, or looks like one."""
HANDLED = 50
"""Lines that a request or a notification weighs that a handler has to run for."""
FREE_S = 0.1
"""How long it takes until as much is taken in again without a pause: who says less is never made to wait."""
PAUSE_S = 0.004
"""How long everybody else has the event loop between two parts of floods, whosever they are."""
LONG_PAUSE_S = 0.02
"""How long who floods us waits of whom nobody wants to know anything."""


class Rota:
    """Gives those who flood us their turns, one after the other: together they get no more than one of them would."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._taken = float("-inf")

    def wait_s(self, now: float, parts: int) -> float:
        """How long to wait until the next turn, which is taken with that, for who has had `parts` at once."""
        self._taken = max(now, self._taken) + parts * PAUSE_S
        return self._taken - now


_ROTAS: WeakKeyDictionary[asyncio.AbstractEventLoop, Rota] = WeakKeyDictionary()


class Allowance:
    """What one upstream may say unasked."""

    __slots__ = ("_at", "_level", "_loop", "_rota")

    def __init__(self) -> None:
        """None of it is used up."""
        self._loop = asyncio.get_running_loop()
        self._rota = _ROTAS.setdefault(self._loop, Rota())
        self._level = 0.0
        self._at = self._loop.time()

    def pause_s(self, weight: float, *, awaited: bool) -> float:
        """How long to read nothing more after so much that nobody asked for; `awaited` is whether anything else is."""
        now = self._loop.time()
        self._level = max(0.0, self._level - (now - self._at) * PART / FREE_S) + weight
        self._at = now
        parts, self._level = divmod(self._level, PART)
        if not parts:
            return 0.0
        return max(self._rota.wait_s(now, int(parts)), 0.0 if awaited else parts * LONG_PAUSE_S)


def weight_of(line: bytes) -> int:
    """What a line weighs that nobody asked for: more, if it looks like a message and has been parsed."""
    return (1 + len(line) // HEAVY) * (_PARSED if line.startswith(b"{") else 1)
