"""The breaker of one upstream at work: which failures count, who is refused, and how it closes again.

Only what says something of the upstream counts: that its way failed (`transient`), or that it did not answer within the
time that its operator gives it. Not that it asked for patience, that it refused one call, or that a caller was in a
hurry. A call that found no session says nothing either: the upstream's owner is at it, and refuses calls by itself.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from headgate.proxy.attempt import Attempt
from headgate.proxy.connection import CallFailedError, UnavailableError
from headgate.tools.breaker import Breaker

logger = logging.getLogger(__name__)

Probe = Callable[[], Awaitable[object]]
"""Finds out, without calling a tool, whether an upstream answers; raises UnavailableError or CallFailedError if not."""


async def no_probe() -> None:
    """Find out nothing, and take that for a good sign."""


class Circuit:
    """Ask before each attempt, and tell what has become of it."""

    __slots__ = ("_chance", "_name", "_opened", "breaker", "probe")

    def __init__(self, name: str, chance: Callable[[], float] = random.random) -> None:
        """Of the upstream `name`. `chance` gives numbers from 0 to 1."""
        self.breaker = Breaker()
        self.probe: Probe = no_probe
        self._name = name
        self._chance = chance

    def check(self) -> None:
        """Refuse what could not go out now.

        Raises:
            CallFailedError: `CIRCUIT_OPEN`, with the seconds until a call may try.

        """
        wait_s = self.breaker.wait_s(asyncio.get_running_loop().time())
        if wait_s > 0:
            raise self._refused(wait_s)

    async def enter(self, attempt: Attempt) -> None:
        """Let an attempt go out as the probe that finds out more, or refuse it as `check` does.

        A write is no probe: it has the upstream asked first, so that it is not the one to find out.
        """
        loop = asyncio.get_running_loop()
        while not self.breaker.closed:
            if not self.breaker.probe(attempt, loop.time()):
                raise self._refused(self.breaker.wait_s(loop.time()))
            if attempt.tool.kind == "read":
                return
            try:
                await self.probe()
            except (UnavailableError, CallFailedError):
                self._failed(attempt, loop.time())
            else:
                self.answered(attempt, loop.time())

    def answered(self, attempt: Attempt, now: float) -> None:
        """Take note that the upstream answered, be it with an error."""
        if self.breaker.answered(attempt, now):
            logger.warning('upstream "%s" answers again', self._name)

    def failed(self, attempt: Attempt, failed: CallFailedError, began_at: float, now: float) -> None:
        """Take note of an attempt that failed, and went out at `began_at`."""
        if not attempt.sent or failed.code == "RATE_LIMITED":
            self.breaker.withdraw(attempt)
        elif failed.transient:
            self._failed(attempt, now, began_at)
        else:
            self.answered(attempt, now)

    def timed_out(self, attempt: Attempt, now: float) -> None:
        """Take note that a call's clock ended before the upstream answered."""
        if attempt.sent and attempt.timeout_s >= attempt.tool.rules.timeout_s:
            self._failed(attempt, now)

    def left(self, attempt: Attempt) -> None:
        """Take note that an attempt is over, whatever it showed."""
        self.breaker.withdraw(attempt)

    def _failed(self, attempt: Attempt, now: float, began_at: float | None = None) -> None:
        was_closed = self.breaker.closed
        opened = self.breaker.failed(attempt, now if began_at is None else began_at, now, self._chance())
        if opened and was_closed:
            logger.warning('calls to upstream "%s" keep failing: they are held back until one is answered', self._name)

    def _refused(self, wait_s: float) -> CallFailedError:
        words = f'calls to upstream "{self._name}" keep failing, so they are held back; one may try in {wait_s:.1f} s'
        return CallFailedError("CIRCUIT_OPEN", words, sent=False, retry_after_s=wait_s)
