"""Identical reads in flight become one upstream call.

The first of them, the *leader*, makes the call; those that ask while it is on its way, its *followers*, wait for the
leader's answer and take neither a permit nor a token of a rate limit. `flights.py` says which reads are identical, and
that none is merged across a write. Beyond that:

- A follower depends on nobody's staying: where the leader is cancelled, or is not let set out for want of time, the
  first follower becomes the leader and makes the call itself. A failure of the call is the failure of all.
- Answers are shared, so nobody may change one. A question is for whoever asked: the next of them asks for itself.
- A call made *ahead* (`Attempt.ahead`) is a leader that nobody has asked for yet. Its answer is kept for the first that
  asks; its failure is nobody's, and a follower that it has by then makes the call itself.
"""

import asyncio

from headgate.proxy.attempt import Ahead, Attempt, CallPath
from headgate.proxy.connection import CallFailedError, TurnedAwayError
from headgate.proxy.direct import Begin, Direct, begin_nothing
from headgate.proxy.flights import Flight, Flights, Key, Result, key_of
from headgate.proxy.rounds import requires_input


class Coalesced:
    """Lets identical reads share one call through `inner`, parted by what goes through `writes`."""

    def __init__(
        self, flights: Flights, inner: CallPath, writes: CallPath | None = None, begin: Begin = begin_nothing
    ) -> None:
        """`begin` has a read set out through `inner` that need not wait."""
        self._flights = flights
        self._inner = inner
        self._writes = writes or inner
        self._begin = begin

    def begin(self, direct: Direct) -> bool:
        """Have a read set out that is like none in flight and need not wait for anything; whether it has."""
        attempt = direct.attempt
        key = key_of(attempt)
        if key is None or attempt.ahead is not None or self._flights.find(key) is not None:
            return False
        direct.tell(self._told)
        if not self._begin(direct):
            direct.untell()
            return False
        direct.flight = key, self._flights.open(key, attempt)
        return True

    def _told(self, direct: Direct) -> None:
        if direct.flight is None:
            return
        key, flight = direct.flight
        if direct.state == "answered":
            self._answered(key, flight, direct.answer)
        elif direct.state == "called off":
            self._leave(key, flight)
        elif direct.failure is not None:
            self._flights.close(key, flight)
            flight.land(direct.failure)

    async def call(self, attempt: Attempt) -> Result:
        """Have a call made, or wait for the answer of one like it."""
        if attempt.tool.kind == "write":
            return await self._write(attempt)
        if attempt.first is not None and attempt.first.flight is not None:
            attempt.first.take_up()
            return await self._lead(*attempt.first.flight, attempt)
        key = key_of(attempt)
        if key is None:
            return await self._inner(attempt)
        flight = self._flights.find(key)
        if attempt.ahead is not None:
            return {} if flight is not None else await self._lead_ahead(key, attempt, attempt.ahead)
        if flight is not None and flight.is_open_to(attempt):
            return await self._follow(key, flight, attempt)
        return await self._lead(key, self._flights.open(key, attempt), attempt)

    async def _write(self, attempt: Attempt) -> Result:
        self._flights.write_begins()
        try:
            return await self._writes(attempt)
        finally:
            self._flights.write_ends()

    async def _lead(self, key: Key, flight: Flight, attempt: Attempt) -> Result:
        try:
            answer = await self._inner(attempt)
        except TurnedAwayError:
            self._leave(key, flight)
            raise
        except CallFailedError as failed:
            self._flights.close(key, flight)
            flight.land(failed)
            raise
        except BaseException:
            self._leave(key, flight)
            raise
        self._answered(key, flight, answer)
        return answer

    def _answered(self, key: Key, flight: Flight, answer: Result) -> None:
        if requires_input(answer):
            self._leave(key, flight)
            return
        self._flights.ended(key, flight)
        if flight.followers:
            flight.land(answer)

    async def _follow(self, key: Key, flight: Flight, attempt: Attempt) -> Result:
        loop = asyncio.get_running_loop()
        attempt.started_at = loop.time()
        attempt.coalesced = True
        kept = self._flights.take(key, flight)
        if kept is not None:
            return kept
        waiting: asyncio.Future[Result | CallFailedError | None] = loop.create_future()
        flight.followers.append(waiting)
        attempt.follows = flight
        try:
            answer = await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.result() is None:
                self._leave(key, flight)
            raise
        finally:
            attempt.follows = None
        if isinstance(answer, CallFailedError):
            raise answer.copy()
        if answer is not None:
            return answer
        attempt.started_at, attempt.coalesced = None, False
        flight.leader = attempt
        return await self._lead(key, flight, attempt)

    async def _lead_ahead(self, key: Key, attempt: Attempt, ahead: Ahead) -> Result:
        flight = self._flights.open(key, attempt)
        ahead.begin()
        try:
            answer = await self._inner(attempt)
        except BaseException:
            ahead.end(used=False)
            self._leave(key, flight)
            raise
        if not _is_of_use(answer):
            ahead.end(used=False)
            self._leave(key, flight)
        elif flight.land(answer):
            ahead.end(used=True)
            self._flights.ended(key, flight)
        else:
            self._flights.keep(key, flight, answer, ahead)
        return answer

    def _leave(self, key: Key, flight: Flight) -> None:
        """Go without an answer: the first follower makes the call."""
        if not flight.hand_over():
            self._flights.close(key, flight)


def _is_of_use(answer: Result) -> bool:
    """Whether an answer that nobody has asked for may become somebody's."""
    return answer.get("isError") is not True and not requires_input(answer)
