"""The door of writes under a key: the first of them goes in, and the same write again gets what becomes of that one.

This comes before every queue: whoever only wants to know what became of a write waits for no turn and takes no permit.
Which of two processes goes in is decided later, when the intent is written down.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from headgate.proxy.attempt import Attempt, CallPath
from headgate.proxy.connection import CallFailedError
from headgate.proxy.flights import Followed
from headgate.proxy.journal.failpoint import reach
from headgate.proxy.journal.journal import Intent, Journal, JournalError
from headgate.proxy.journal.replay import other_arguments, refused, replayed
from headgate.tools.keys import fingerprint

Result = Mapping[str, Any]
_Scope = tuple[str, str, str, str | None]


def intent_of(attempt: Attempt) -> Intent:
    """The write that an attempt is about to be; the same for every time it goes out."""
    if attempt.intent is None:
        tool = attempt.tool
        attempt.intent = Intent(
            attempt.principal,
            tool.upstream,
            tool.name,
            attempt.key,
            fingerprint(tool.qualified, attempt.arguments),
            attempt.arguments,
        )
    return attempt.intent


class _Flight(Followed):
    """A write under a key that is on its way in this process."""

    __slots__ = ("fingerprint",)

    def __init__(self, fingerprint: str) -> None:
        super().__init__()
        self.fingerprint = fingerprint


class Keyed:
    """Writes under a key, through `inner`."""

    def __init__(self, journal: Journal, inner: CallPath) -> None:
        """`journal` knows the writes that are not on their way any more, and those of other processes."""
        self._journal = journal
        self._inner = inner
        self._flights: dict[_Scope, _Flight] = {}

    async def call(self, attempt: Attempt) -> Result:
        """Make the write, or give what became of it."""
        if attempt.key is None:
            return await self._inner(attempt)
        intent = intent_of(attempt)
        flight = self._flights.get(intent.scope)
        if flight is None:
            flight = self._flights[intent.scope] = _Flight(intent.fingerprint)
            return await self._lead(flight, intent, attempt)
        if flight.fingerprint != intent.fingerprint:
            raise other_arguments(attempt)
        return await self._follow(flight, intent, attempt)

    async def _lead(self, flight: _Flight, intent: Intent, attempt: Attempt) -> Result:
        try:
            answer = await self._made(intent, attempt)
        except CallFailedError as failed:
            self._end(flight, intent, failed)
            raise
        except BaseException:
            if attempt.sent:
                gone = CallFailedError("UPSTREAM_ERROR", "whoever had made this write has gone", sent=True)
                self._end(flight, intent, gone)
            elif not flight.hand_over():
                del self._flights[intent.scope]
            raise
        self._end(flight, intent, answer)
        return answer

    async def _made(self, intent: Intent, attempt: Attempt) -> Result:
        reach("asked")
        try:
            found = await self._journal.look(intent)
        except JournalError as wrong:
            raise refused(wrong) from None
        reach("looked")
        # What this process itself has left at its intent is being settled at this moment: the claim will see it.
        if found is None or (found.here and found.ending.state == "intent"):
            return await self._inner(attempt)
        return replayed(found, intent.fingerprint, attempt)

    async def _follow(self, flight: _Flight, intent: Intent, attempt: Attempt) -> Result:
        loop = asyncio.get_running_loop()
        attempt.started_at = loop.time()
        attempt.sent = attempt.replayed = True
        waiting: asyncio.Future[Result | CallFailedError | None] = loop.create_future()
        flight.followers.append(waiting)
        try:
            async with asyncio.timeout(attempt.timeout_s):
                answer = await waiting
        except TimeoutError:
            words = f"the same write is still under way after {attempt.timeout_s:g} s"
            raise CallFailedError("TOOL_TIMEOUT", words, sent=True) from None
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.result() is None and not flight.hand_over():
                del self._flights[intent.scope]
            raise
        if isinstance(answer, CallFailedError):
            raise answer.copy()
        if answer is not None:
            return answer
        attempt.started_at, attempt.sent, attempt.replayed = None, False, False
        return await self._lead(flight, intent, attempt)

    def _end(self, flight: _Flight, intent: Intent, answer: Result | CallFailedError) -> None:
        del self._flights[intent.scope]
        flight.land(answer)
