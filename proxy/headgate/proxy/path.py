"""The way of one call to its upstream: turn, permits, pace, clock, breaker, connection, and back again if need be.

Its order stands in `call_path` and in `_Way.call`:

- a write under a *key* that was made before gets what became of that one, and needs nothing else;
- a write waits for its *turn* among the writes of all batches to the same scope;
- a read that is *identical* to one in flight waits for that one's answer, and needs nothing else;
- while the upstream's *circuit* is open, a call is refused at once;
- then it waits for its *permits*: the batch's cap, the upstream's, the tool's;
- then for the *pace* that its limiters set, the last thing before it goes out, so that no token grows stale;
- a call that has had to wait for its session after that goes back in line: what it held was for another time;
- only then its *clock* starts: waiting for a turn or a permit does not count against a call's own timeout;
- a write is *written down* before its first byte goes out, and so is its outcome before anybody hears of it; its turn
  ends with its answer, so that one commit takes its outcome and the intent of the next;
- an attempt that *fails* in a way that may pass is made again, with permits and a token of its own: it waits, without
  holding anything, while its clock runs.

All from the circuit on is one function: a wrapper for each would cost a call more than what they do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from headgate.proxy.attempt import Attempt, CallPath
from headgate.proxy.circuit import Probe, no_probe
from headgate.proxy.clocks import Clocks
from headgate.proxy.coalesce import Coalesced
from headgate.proxy.connection import CallFailedError, SessionCameError, TurnedAwayError
from headgate.proxy.direct import Begin, Direct, begin_nothing
from headgate.proxy.flights import Flights
from headgate.proxy.journal.journaled import Writes
from headgate.proxy.limits import Limits


class Path:
    """Reads go one way and writes another. `begin` has a read set out that need not wait for anything."""

    def __init__(self, reads: CallPath, writes: CallPath, begin: Begin, part: Callable[[], None]) -> None:
        """`begin` has a read set out `reads` way. `part` lets nobody join the reads that are there by then."""
        self._reads = reads
        self._writes = writes
        self.begin = begin
        self.part = part

    def __call__(self, attempt: Attempt) -> Awaitable[Mapping[str, Any]]:
        """Have a call made."""
        return (self._reads if attempt.tool.kind == "read" else self._writes)(attempt)


def call_path(
    limits: Limits,
    send: CallPath,
    probe: Probe = no_probe,
    writes: Writes | None = None,
    begin: Begin = begin_nothing,
) -> Path:
    """The way to one upstream, whose connection is behind `send`, and whose health `probe` can find out.

    `writes` writes down what is sent that changes something. `begin` sends a read over the connection if it can do so
    without waiting.
    """
    way, flights = _Way(limits, send, probe, begin), Flights()
    if writes is None:
        inner = Coalesced(flights, way.call, begin=way.begin)
        return Path(inner.call, in_turn(limits, inner.call), inner.begin, flights.part)

    def answered(attempt: Attempt) -> None:
        limits.leave_turn(attempt)
        flights.part()  # it may have been given up, and end only now

    written_down = _Way(limits, writes.journaled(send, answered), probe).call
    inner = Coalesced(flights, way.call, written_down, way.begin)
    return Path(inner.call, writes.keyed(in_turn(limits, inner.call)), inner.begin, flights.part)


def in_turn(limits: Limits, inner: CallPath) -> CallPath:
    """Let a write wait for its turn among the writes to its scope."""

    async def call(attempt: Attempt) -> Mapping[str, Any]:
        await limits.enter_turn(attempt)
        try:
            return await inner(attempt)
        finally:
            limits.leave_turn(attempt)

    return call


class _Way:
    """What stands between a call that has its turn and its connection."""

    def __init__(self, limits: Limits, send: CallPath, probe: Probe, begin: Begin = begin_nothing) -> None:
        self._limits = limits
        self._circuit = limits.circuit
        self._circuit.probe = probe
        self._send = send
        self._begin = begin
        self._clocks = Clocks()

    def begin(self, direct: Direct) -> bool:
        """Have a read set out at once, if there is nothing to wait for; whether it has."""
        limits, attempt = self._limits, direct.attempt
        if not self._circuit.breaker.closed or not limits.entered(attempt):
            return False
        direct.tell(self._told)
        if not self._begin(direct):
            direct.untell()
            limits.leave(attempt)
            return False
        limits.retries.budget.deposit()
        direct.start_clock(self._clocks)
        return True

    def _told(self, direct: Direct) -> None:
        """Do for the end of a read that set out at once what `call` does for the others."""
        attempt, now = direct.attempt, asyncio.get_running_loop().time()
        match direct.state:
            case "answered":
                self._answered(attempt, direct.began_at, now)
            case "failed" if direct.failure is None:
                self._circuit.timed_out(attempt, now)
                direct.failure = _timed_out(attempt)
            case "failed" | "called off":
                pass
            case _:
                return
        self._over(attempt)

    async def call(self, attempt: Attempt) -> Mapping[str, Any]:
        circuit, loop = self._circuit, asyncio.get_running_loop()
        began_at, clock = await self._started(attempt)
        attempt.clock = clock
        seen = False
        try:
            async with clock:
                while True:
                    try:
                        if not circuit.breaker.closed and attempt.first is None:
                            await circuit.enter(attempt)
                        answer = await self._send(attempt)
                    except CallFailedError as failed:
                        circuit.failed(attempt, failed, began_at, loop.time())
                        seen = attempt.sent = failed.sent = failed.sent or seen
                        attempt.in_doubt |= seen
                        attempt.tried |= failed.sent or failed.code == "RATE_LIMITED"
                        # Raised here: a frame that is in the traceback of what it was given keeps all frames alive.
                        if not await self._may_try_again(attempt, failed):
                            raise
                        began_at = loop.time()
                    else:
                        self._answered(attempt, began_at, loop.time())
                        return answer
        except TimeoutError:
            if not clock.expired():
                raise
            attempt.sent |= seen
            circuit.timed_out(attempt, loop.time())
            raise _timed_out(attempt) from None
        finally:
            self._over(attempt)

    async def _started(self, attempt: Attempt) -> tuple[float, asyncio.Timeout]:
        """See a call to the start of its clock: when that is, and the clock."""
        limits, first = self._limits, attempt.first
        if first is not None:
            return first.began_at, asyncio.timeout_at(first.when())
        if not self._circuit.breaker.closed:
            self._circuit.check()
        if not limits.entered(attempt):
            await limits.enter(attempt)
        limits.retries.budget.deposit()
        began_at = attempt.started_at = asyncio.get_running_loop().time()
        return began_at, asyncio.timeout_at(began_at + attempt.timeout_s)

    def _answered(self, attempt: Attempt, began_at: float, now: float) -> None:
        self._circuit.answered(attempt, now)
        self._limits.durations.note(attempt.tool.name, now - began_at)

    def _over(self, attempt: Attempt) -> None:
        self._limits.leave(attempt)
        if not self._circuit.breaker.closed:
            self._circuit.left(attempt)

    async def _line_up_again(self, attempt: Attempt, came: SessionCameError) -> bool:
        """Wait for permits and a token once more: calls that have waited for a session must not go out together.

        Whether there were any for one that has been seen.

        Raises:
            TurnedAwayError: There were none, and nothing of it has been sent.

        """
        limits, clock = self._limits, attempt.clock
        limits.leave(attempt)
        if not came.spent:
            limits.give_tokens_back(attempt)
        if clock is not None and not came.sent:
            clock.reschedule(None)  # nothing of it has been sent: this is still waiting for a turn
            attempt.started_at = None
        try:
            await limits.enter(attempt)
        except TurnedAwayError:
            if came.sent:
                return False
            raise
        if clock is not None and not came.sent:
            attempt.started_at = asyncio.get_running_loop().time()
            clock.reschedule(attempt.started_at + attempt.timeout_s)
        return True

    async def _may_try_again(self, attempt: Attempt, failed: CallFailedError) -> bool:
        """Wait until a call that has failed may be made again; whether it may."""
        if isinstance(failed, SessionCameError):
            return await self._line_up_again(attempt, failed)
        limits, breaker, now = self._limits, self._circuit.breaker, asyncio.get_running_loop().time()
        if failed.transient and failed.retry_after_s is not None:
            limits.pause(failed.retry_after_s)
        wait_s = limits.retries.wait_s(attempt, failed, now, self._left_s(attempt, now)) if breaker.closed else None
        if wait_s is None:
            return False
        limits.leave(attempt)
        await asyncio.sleep(wait_s)
        try:
            await limits.enter(attempt)
        except TurnedAwayError:
            return False
        if not breaker.closed:
            return False
        attempt.attempts += 1
        return True

    def _left_s(self, attempt: Attempt, now: float) -> float:
        """Seconds that an attempt to come could begin in and still be answered, if it takes as long as usual."""
        ends_at = now + attempt.timeout_s if attempt.started_at is None else attempt.started_at + attempt.timeout_s
        if attempt.deadline is not None:
            ends_at = min(ends_at, attempt.deadline)
        return ends_at - now - (self._limits.durations.typical_s(attempt.tool.name) or 0.0)


def _timed_out(attempt: Attempt) -> CallFailedError:
    if attempt.sent:
        return CallFailedError("TOOL_TIMEOUT", f"no answer in {attempt.timeout_s:g} s", sent=True)
    message = f'upstream "{attempt.tool.upstream}" did not take the call within {attempt.timeout_s:g} s'
    return CallFailedError("UPSTREAM_UNAVAILABLE", message, sent=False)
