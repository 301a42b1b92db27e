"""Calls on behalf of one of several principals: told apart, and kept to the rate of theirs."""

import asyncio
import math
from collections.abc import Mapping
from typing import Any

from headgate.proxy.attempt import Attempt, CallPath
from headgate.proxy.capacity import TooLateError, enter
from headgate.proxy.connection import TurnedAwayError
from headgate.proxy.direct import Begin, Direct, begin_nothing
from headgate.proxy.pace import Pace, keep_pace

MAX_WAITING = 1_000
"""Calls of one principal that may wait for its pace."""


def on_behalf_of(principal: str, paces: tuple[Pace, ...], inner: CallPath) -> CallPath:
    """The way of the calls of `principal`. They wait for its pace before anything else, holding nothing meanwhile."""

    async def call(attempt: Attempt) -> Mapping[str, Any]:
        attempt.principal = principal
        for pace in paces:
            await _wait(pace, attempt)
        return await inner(attempt)

    return call


def begin_on_behalf_of(principal: str, paces: tuple[Pace, ...], inner: Begin) -> Begin:
    """How reads of `principal` set out that need not wait for anything; where it has a pace, none does."""
    if paces:
        return begin_nothing

    def begin(direct: Direct) -> bool:
        direct.attempt.principal = principal
        return inner(direct)

    return begin


async def _wait(pace: Pace, attempt: Attempt) -> None:
    """Wait until the principal may make another call. Its batches take turns.

    Raises:
        TurnedAwayError: Too many of its calls wait already, or this one's turn would come after its batch's end.

    """
    now = asyncio.get_running_loop().time()
    asker = object() if attempt.asker is None else attempt.asker
    latest = math.inf if attempt.deadline is None else attempt.deadline
    wait_s = pace.wait_s(now, asker)
    if pace.waiting >= MAX_WAITING:
        message = f"{pace.waiting} calls of yours wait for your rate limit already"
        raise TurnedAwayError("OVERLOADED", message, retry_after_s=wait_s)
    if now + wait_s > latest:
        raise _too_late(wait_s)
    pace.line_up(asker)
    try:
        await enter((pace.lane,), asker, latest)
        await keep_pace((pace,), asker, latest)
    except TooLateError as late:
        raise _too_late(late.wait_s) from None
    finally:
        pace.step_out(asker)


def _too_late(wait_s: float) -> TurnedAwayError:
    message = f"your rate limit has room for this call in {wait_s:.1f} s, after the batch's end"
    return TurnedAwayError("RATE_LIMITED", message, retry_after_s=wait_s)
