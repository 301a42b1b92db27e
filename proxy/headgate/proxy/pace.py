"""What a rate limit does to calls: they wait, one at a time, until there is a token for them."""

import asyncio
import math
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headgate.proxy.capacity import Capacity, TooLateError, enter, leave
from headgate.tools.rules import Rate

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter


@dataclass(slots=True)
class Pace:
    """A rate limit: its bucket, and the lane in which one call at a time waits for a token."""

    rate: Rate | None
    """`None` once it has been lifted."""
    limiter: "AsyncLimiter"
    lane: Capacity = field(default_factory=lambda: Capacity(1, "a token of a rate limit"))
    _full_at: float = 0.0
    """When the bucket will be full of tokens again."""
    _waiting: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    """Calls on their way to a token, by who asks for them."""
    _total: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set where the rate has become another one while a call waits for its token."""

    @classmethod
    def of(cls, rate: Rate | None) -> "tuple[Pace, ...]":
        """The pace that `rate` sets."""
        return () if rate is None else (cls(rate, _limiter_of(rate)),)

    @classmethod
    def after(cls, before: "tuple[Pace, ...]", rate: Rate | None) -> "tuple[Pace, ...]":
        """The pace that `rate` sets in place of `before`. Whoever waits for a token goes on by what it is now."""
        for pace in before:
            if pace.rate != rate:
                pace.become(rate)
        return Pace.of(rate) if not before else () if rate is None else before

    def give_back(self, token: "Token") -> None:
        """Have a token count as not taken, unless it is back in the bucket by now."""
        now = asyncio.get_running_loop().time()
        if token.rate is self.rate and token.back_at > now:
            self._refill(max(self._full_at - self._spacing_s - now, 0.0) / self._spacing_s)

    def _refill(self, taken: float) -> None:
        """Begin with another bucket, out of which so many tokens are taken."""
        if self.rate is not None:
            self.limiter = _limiter_of(self.rate)
            with suppress(StopIteration):
                self.limiter.acquire(taken).send(None)  # of a full bucket, so that there is nothing to wait for
            self._full_at = asyncio.get_running_loop().time() + taken * self._spacing_s
        self._changed.set()

    def become(self, rate: Rate | None) -> None:
        """Be another pace. Tokens that are not back yet count as taken, each as a whole one."""
        taken = math.ceil(max(self._full_at - asyncio.get_running_loop().time(), 0.0) / self._spacing_s)
        self.rate = rate
        self._refill(taken if rate is None else min(taken, rate.burst))

    @property
    def waiting(self) -> int:
        """Calls on their way to a token."""
        return self._total

    @property
    def _spacing_s(self) -> float:
        return self.limiter.time_period / self.limiter.max_rate

    def wait_s(self, now: float, asker: Hashable = None) -> float:
        """Seconds until there would be a token for one call more of `asker`, as things stand at `now`.

        Askers take turns: somebody new waits for one call of each of the others, whatever they have in line.
        """
        own = self._waiting.get(asker, 0)
        askers = len(self._waiting) + (own == 0)
        ahead = min((own + 1) * askers - 1, self._total)
        return self._left_s(max(self._full_at, now) + ahead * self._spacing_s, now)

    def _left_s(self, full_at: float, now: float) -> float:
        """Seconds until there is a token in a bucket that is full at `full_at`."""
        if self.rate is None:
            return 0.0
        return max(full_at - (self.limiter.time_period - self._spacing_s) - now, 0.0)

    def line_up(self, asker: Hashable) -> None:
        """Take note that a call is on its way to a token."""
        self._waiting[asker] = self._waiting.get(asker, 0) + 1
        self._total += 1

    def step_out(self, asker: Hashable) -> None:
        """Take note that it has its token, or wants none any more."""
        left = self._waiting[asker] - 1
        self._total -= 1
        if left:
            self._waiting[asker] = left
        else:
            del self._waiting[asker]

    async def ready(self, latest: float = math.inf) -> None:
        """Wait until there is a token, and leave it there. To be called, as `take`, by whoever holds the lane.

        Raises:
            TooLateError: There will be none until after `latest`.

        """
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            wait_s = self._left_s(self._full_at, now)
            if now + wait_s > latest:
                raise TooLateError(wait_s)
            if wait_s <= 0:
                return
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    async def take(self) -> "Token":
        """Take a token."""
        if self.rate is not None:
            await self.limiter.acquire()
            now = asyncio.get_running_loop().time()
            self._full_at = max(self._full_at, now) + self._spacing_s
        return Token(self, self.rate, self._full_at)


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was taken."""

    pace: Pace
    rate: Rate | None
    """What the pace was then."""
    back_at: float
    """When it is in the bucket again: those taken earlier come back earlier."""

    def give_back(self) -> None:
        """Have it count as not taken."""
        self.pace.give_back(self)


def _limiter_of(rate: Rate) -> "AsyncLimiter":
    """A bucket of `burst` tokens that refills at `count` in `period_s`."""
    from aiolimiter import AsyncLimiter  # noqa: PLC0415 - only where there are limits

    return AsyncLimiter(rate.burst, rate.burst * rate.period_s / rate.count)


async def keep_pace(
    paces: tuple[Pace, ...],
    asker: Hashable = None,
    latest: float = math.inf,
    wanted: Callable[[], bool] = lambda: True,
) -> tuple[Token, ...]:
    """Take a token of each pace, if that is still `wanted`. The first lane is held on entry; in the end all are free.

    One call a lane waits here, so a tool that is paced holds one of its batch's permits while it waits, not all.
    The tokens are taken together: one taken early would let the tool's next call follow too closely.

    Raises:
        TooLateError: There will be no token of one of them until after `latest`.

    """
    held = (paces[0].lane,)
    try:
        for pace in paces:
            if not wanted():
                return ()
            if pace is not paces[0]:
                await enter((pace.lane,), asker, latest)
                held = (*held, pace.lane)
            await pace.ready(latest)
        return tuple([await pace.take() for pace in paces]) if wanted() else ()
    finally:
        leave(held)
