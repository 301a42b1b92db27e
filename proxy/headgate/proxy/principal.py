"""Calls on behalf of one of several principals: told apart, and kept to the rate of theirs."""

from collections.abc import Mapping
from typing import Any

from headgate.proxy.attempt import Attempt, CallPath
from headgate.proxy.capacity import enter
from headgate.proxy.pace import Pace, keep_pace


def on_behalf_of(principal: str, paces: tuple[Pace, ...], inner: CallPath) -> CallPath:
    """The way of the calls of `principal`. They wait for its pace before anything else, holding nothing meanwhile."""

    async def call(attempt: Attempt) -> Mapping[str, Any]:
        attempt.principal = principal
        if paces:
            await enter((paces[0].lane,))
            await keep_pace(paces)
        return await inner(attempt)

    return call
