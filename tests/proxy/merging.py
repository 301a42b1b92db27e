"""The wrapper that merges identical reads, and what stands behind it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.proxy.parts import answer
from tests.proxy.parts import tool as tool_named

from headgate.proxy.attempt import Attempt
from headgate.proxy.coalesce import Coalesced
from headgate.proxy.connection import CallFailedError
from headgate.proxy.flights import Flights

LOOK = tool_named("look")


class Line:
    """What stands behind the wrapper: keeps who was sent, and answers when it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[Attempt, asyncio.Future[Mapping[str, Any]]]] = []

    async def send(self, attempt: Attempt) -> Mapping[str, Any]:
        answered: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self.sent.append((attempt, answered))
        return await answered

    @asynccontextmanager
    async def group(self) -> AsyncGenerator[asyncio.TaskGroup]:
        """Tasks for calls; those that nobody has answered at the end are."""
        self.call = Coalesced(Flights(), self.send).call
        async with asyncio.TaskGroup() as tasks:
            yield tasks
            for _, answered in self.sent:
                if not answered.done():
                    answered.set_result(answer())

    def ask(self, tasks: asyncio.TaskGroup, *attempts: Attempt) -> None:
        for attempt in attempts:
            tasks.create_task(awaited(self.call(attempt)))

    def end(self, which: int, result: Mapping[str, Any] | Exception) -> None:
        if isinstance(result, Exception):
            self.sent[which][1].set_exception(result)
        else:
            self.sent[which][1].set_result(result)


def look(**more: Any) -> Attempt:
    fields: dict[str, Any] = {"tool": LOOK, "arguments": {"k": 1}, "timeout_s": 30.0} | more
    return Attempt(**fields)


PAY = Attempt(tool_named("pay", "write"), {}, 30.0)


async def awaited(calling: Any) -> Any:
    return await calling


async def failure_of(calling: Any) -> CallFailedError:
    with pytest.raises(CallFailedError) as failed:
        await calling
    return failed.value
