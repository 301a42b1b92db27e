"""How many calls may be under way at once, taken for all caps of a call together.

A call that needs several permits takes all of them or waits holding none, so that a full cap holds up nobody who
does not need it: calls to a busy upstream do not use up the batch's own cap while they wait.

Whoever asks stands in line: one line for the calls of one asker (a batch) that need the same permits. A line waits at
a cap that is full, and moves as a whole to the next one that is, so a call costs no more to serve where ten thousand
wait. Askers take turns at each cap, whatever the length of their lines.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Hashable, Mapping

_PAUSED = 1 << 40
"""Permits that a pause takes: more than anybody gives back meanwhile."""


class TooLateError(Exception):
    """What a call waits for will not come while there is use in it, but only in `wait_s` seconds."""

    def __init__(self, wait_s: float) -> None:
        """Seconds from now."""
        super().__init__()
        self.wait_s = wait_s


class Capacity:
    """A cap. `leave` it as often as it was entered."""

    __slots__ = ("_lines", "_resuming", "askers", "free", "limit", "name", "paused_until")

    def __init__(self, limit: int, name: str = "a permit") -> None:
        """`limit` permits, all free; `name` is what those who wait here wait for, in words."""
        self.limit = limit
        self.name = name
        self.free = limit
        self.paused_until: float | None = None
        """On the event loop's time, where nobody is let in for now."""
        self.askers: OrderedDict[Hashable, OrderedDict[Needs, _Line]] = OrderedDict()
        """The lines that wait here, whose turn is next first; those of one asker take turns among themselves."""
        self._lines: dict[tuple[Hashable, Needs], _Line] = {}
        """The lines of calls whose first need this is, wherever they wait."""
        self._resuming: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        """The state at a glance: `<Capacity 3/16 in use, 2 waiting>`."""
        free = self.free if self.paused_until is None else self.free + _PAUSED
        return f"<Capacity {self.limit - free}/{self.limit} in use, {self.waiting} waiting>"

    @property
    def waiting(self) -> int:
        """Calls that wait here."""
        return sum(line.live for lines in self.askers.values() for line in lines.values())

    def resize(self, limit: int) -> None:
        """Have `limit` permits from now on. What is taken stays so, even where that is more."""
        self.free += limit - self.limit
        self.limit = limit
        self.admit()

    def pause(self, until: float) -> None:
        """Let nobody in before `until`. Whoever waits here and would be too late by then is told so."""
        if self.paused_until is None:
            self.free -= _PAUSED
        elif until <= self.paused_until:
            return
        if self._resuming is not None:
            self._resuming.cancel()
        loop = asyncio.get_running_loop()
        self.paused_until = until
        self._resuming = loop.call_at(until, self.resume)
        for line in [line for lines in self.askers.values() for line in lines.values()]:
            line.turn_away(line.waiters)

    def resume(self) -> None:
        """Let in again, whether a pause is over or not."""
        if self._resuming is None:
            return
        self._resuming.cancel()
        self.paused_until = self._resuming = None
        self.free += _PAUSED
        self.admit()

    def admit(self) -> None:
        """Let in whoever waits here, while there is room, or send them on to the next cap that is full."""
        while self.free > 0 and self.askers:
            asker, lines = self.askers.popitem(last=False)
            needs, line = lines.popitem(last=False)
            full = _full(needs)
            if full is not None:
                full.take_on(line)
            elif line.let_one_in():
                lines[needs] = line
            if lines:
                self.askers[asker] = lines

    def line_of(self, asker: Hashable, needs: "Needs", full: "Capacity") -> "_Line":
        """The line for calls of `asker`, whose first need this is; a new one waits at `full`."""
        line = self._lines.get((asker, needs))
        if line is None:
            line = self._lines[asker, needs] = _Line(asker, needs, full)
            full.take_on(line)
        return line

    def take_on(self, line: "_Line") -> None:
        """Let a line wait here."""
        line.at = self
        self.askers.setdefault(line.asker, OrderedDict())[line.needs] = line
        line.turn_away(line.waiters)

    def dismiss(self, line: "_Line") -> None:
        """Forget a line in which nobody waits any more."""
        lines = self.askers.get(line.asker)
        if lines is not None and lines.get(line.needs) is line:
            del lines[line.needs]
            if not lines:
                del self.askers[line.asker]

    def forget(self, line: "_Line") -> None:
        """Let the next call that would stand in `line` begin another."""
        if self._lines.get((line.asker, line.needs)) is line:
            del self._lines[line.asker, line.needs]


Needs = tuple[Capacity, ...]


class _Line:
    """The calls of one asker that need the same permits, in the order in which they came."""

    __slots__ = ("asker", "at", "needs", "waiters")

    def __init__(self, asker: Hashable, needs: Needs, at: Capacity) -> None:
        self.asker = asker
        self.needs = needs
        self.at = at
        self.waiters: OrderedDict[asyncio.Future[None], float] = OrderedDict()
        """Each with the latest time at which there is use in being let in."""

    @property
    def live(self) -> int:
        return sum(not granted.done() for granted in self.waiters)

    def let_one_in(self) -> bool:
        """Give the first who still waits its permits; whether there are more."""
        while self.waiters:
            granted, _ = self.waiters.popitem(last=False)
            if not granted.done():
                _take(self.needs)
                granted.set_result(None)
                break
        if not self.waiters:
            self.needs[0].forget(self)
        return bool(self.waiters)

    def turn_away(self, among: Mapping[asyncio.Future[None], float]) -> None:
        """Where there is a pause, tell those who would be too late after it."""
        until = self.at.paused_until
        if until is None:
            return
        wait_s = until - asyncio.get_running_loop().time()
        for granted in [granted for granted, latest in among.items() if latest < until]:
            self.leave(granted)
            if not granted.done():
                granted.set_exception(TooLateError(wait_s))

    def leave(self, granted: asyncio.Future[None]) -> None:
        """Let somebody go who waits no more."""
        if self.waiters.pop(granted, None) is not None and not self.waiters:
            self.at.dismiss(self)
            self.needs[0].forget(self)


def entered(needs: Needs) -> bool:
    """Take one permit of each, if all are free at once; whether that is so."""
    if _full(needs) is not None:
        return False
    _take(needs)
    return True


async def enter(needs: Needs, asker: Hashable = None, latest: float = math.inf) -> None:
    """Take one permit of each; wait until all are free at once.

    The calls of one `asker` are served in the order in which they came, and take turns with those of others; a call
    without one is on its own.

    Raises:
        TooLateError: There is a pause that ends after `latest`.

    """
    full = _full(needs)
    if full is None:
        _take(needs)
        return
    granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    line = needs[0].line_of(granted if asker is None else asker, needs, full)
    line.waiters[granted] = latest
    line.turn_away({granted: latest})
    try:
        await granted
    except asyncio.CancelledError:
        if granted.done() and not granted.cancelled() and granted.exception() is None:
            leave(needs)
        else:
            line.leave(granted)
        raise


def leave(needs: Needs) -> None:
    """Give one permit of each back, and let in whoever waited for them."""
    for capacity in needs:
        capacity.free += 1
    for capacity in needs:
        if capacity.askers:
            capacity.admit()


def _full(needs: Needs) -> Capacity | None:
    for capacity in needs:
        if capacity.free <= 0:
            return capacity
    return None


def _take(needs: Needs) -> None:
    for capacity in needs:
        capacity.free -= 1
