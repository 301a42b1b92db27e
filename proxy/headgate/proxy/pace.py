"""What a rate limit does to calls: they wait, one at a time, until there is a token for them."""

import asyncio
from dataclasses import dataclass, field

from aiolimiter import AsyncLimiter

from headgate.proxy.capacity import Capacity, enter, leave
from headgate.tools.rules import Rate


@dataclass(slots=True)
class Pace:
    """A rate limit: its bucket, and the lane in which one call at a time waits for a token."""

    limiter: AsyncLimiter
    lane: Capacity = field(default_factory=lambda: Capacity(1))
    _full_at: float = 0.0
    """When the bucket will be full of tokens again."""

    @classmethod
    def of(cls, rate: Rate | None) -> "tuple[Pace, ...]":
        """The pace that `rate` sets. A bucket of `burst` refills at `count` in `period_s`."""
        if rate is None:
            return ()
        return (cls(AsyncLimiter(rate.burst, rate.burst * rate.period_s / rate.count)),)

    async def ready(self) -> None:
        """Wait until there is a token, and leave it there. To be called, as `take`, by whoever holds the lane."""
        spacing = self.limiter.time_period / self.limiter.max_rate
        wait_s = self._full_at - (self.limiter.time_period - spacing) - asyncio.get_running_loop().time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def take(self) -> None:
        """Take a token."""
        await self.limiter.acquire()
        now = asyncio.get_running_loop().time()
        self._full_at = max(self._full_at, now) + self.limiter.time_period / self.limiter.max_rate


async def keep_pace(paces: tuple[Pace, ...]) -> None:
    """Take a token of each pace. The first lane is held on entry; all are free again in the end.

    One call a lane waits here, so a tool that is paced holds one of its batch's permits while it waits, not all.
    The tokens are taken together: one taken early would let the tool's next call follow too closely.
    """
    lanes = tuple(pace.lane for pace in paces)
    held = lanes[:1]
    try:
        for position, pace in enumerate(paces):
            if position > 0:
                await enter(lanes[position : position + 1])
                held = lanes[: position + 1]
            await pace.ready()
        for pace in paces:
            await pace.take()
    finally:
        leave(held)
