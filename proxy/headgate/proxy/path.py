"""The way of one call to its upstream: turn, permits, pace, clock, connection.

Each wrapper has the shape of what it wraps, and their order stands in `call_path`:

- a write waits for its *turn* among the writes of all batches to the same scope;
- a read that is *identical* to one in flight waits for that one's answer, and needs nothing else;
- then for its *permits*: the batch's cap, the upstream's, the tool's;
- then for the *pace* that its limiters set, the last thing before it goes out, so that no token grows stale;
- only then its *clock* starts: waiting for a turn or a permit does not count against a call's own timeout.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiolimiter import AsyncLimiter

from headgate.proxy.attempt import Attempt, CallPath
from headgate.proxy.capacity import Capacity, enter, leave
from headgate.proxy.coalesce import Flights, coalesced
from headgate.proxy.connection import CallFailedError
from headgate.proxy.turns import Turns
from headgate.tools.catalogue import Tool
from headgate.tools.rules import Rate, ToolRules, UpstreamRules
from headgate.tools.scope import scope_of


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


@dataclass(slots=True)
class Limits:
    """The limits of one upstream. They belong to it and outlive every batch and every connection."""

    rules: UpstreamRules
    turns: Turns = field(default_factory=Turns)
    _upstream: Capacity = field(init=False)
    _pace: tuple[Pace, ...] = field(init=False)
    _tools: dict[str, tuple[tuple[Capacity, ...], tuple[Pace, ...]]] = field(init=False)

    def __post_init__(self) -> None:
        """Build the upstream's own limits; those of a tool are built when it is first called."""
        self._upstream = Capacity(self.rules.concurrency)
        self._pace = Pace.of(self.rules.rate)
        self._tools = {}

    def of(self, tool: Tool) -> tuple[tuple[Capacity, ...], tuple[Pace, ...]]:
        """The caps and the paces that a call of `tool` is under; the upstream's pace comes last."""
        found = self._tools.get(tool.name)
        if found is None:
            own = _capacities(tool.rules)
            found = self._tools[tool.name] = ((*own, self._upstream), (*Pace.of(tool.rules.rate), *self._pace))
        return found


def _capacities(rules: ToolRules) -> tuple[Capacity, ...]:
    return () if rules.concurrency is None else (Capacity(rules.concurrency),)


def call_path(limits: Limits, send: CallPath) -> CallPath:
    """The way to one upstream, whose connection is behind `send`."""
    return in_turn(limits.turns, coalesced(Flights(), permitted(limits, timed(send))))


def in_turn(turns: Turns, inner: CallPath) -> CallPath:
    """Let a write wait for its turn among the writes to its scope."""

    async def call(attempt: Attempt) -> Mapping[str, Any]:
        if attempt.tool.kind == "read":
            return await inner(attempt)
        scope = scope_of(attempt.tool, attempt.arguments)
        await turns.enter(scope)
        try:
            return await inner(attempt)
        finally:
            turns.leave(scope)

    return call


def permitted(limits: Limits, inner: CallPath) -> CallPath:
    """Keep to caps and paces."""

    async def call(attempt: Attempt) -> Mapping[str, Any]:
        caps, paces = limits.of(attempt.tool)
        held = (*attempt.batch, *caps)
        lanes = tuple(pace.lane for pace in paces)
        await enter((*held, *lanes[:1]))
        try:
            if paces:
                await _keep_pace(paces, lanes)
            return await inner(attempt)
        finally:
            leave(held)

    return call


async def _keep_pace(paces: tuple[Pace, ...], lanes: tuple[Capacity, ...]) -> None:
    """Take a token of each pace. The first lane is held on entry; all are free again in the end.

    One call a lane waits here, so a tool that is paced holds one of its batch's permits while it waits, not all.
    The tokens are taken together: one taken early would let the tool's next call follow too closely.
    """
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


def timed(inner: CallPath) -> CallPath:
    """Start the clock of a call as it goes out, and end it at its timeout, whatever the upstream does."""

    async def call(attempt: Attempt) -> Mapping[str, Any]:
        attempt.started_at = asyncio.get_running_loop().time()
        clock = asyncio.timeout(attempt.timeout_s)
        try:
            async with clock:
                return await inner(attempt)
        except TimeoutError:
            if not clock.expired():
                raise
            if not attempt.sent:
                message = f'upstream "{attempt.tool.upstream}" did not take the call within {attempt.timeout_s:g} s'
                raise CallFailedError("UPSTREAM_UNAVAILABLE", message, sent=False) from None
            raise CallFailedError("TOOL_TIMEOUT", f"no answer in {attempt.timeout_s:g} s", sent=True) from None

    return call
