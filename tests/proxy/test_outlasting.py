"""A single write goes on to its end whoever stops waiting, and what has not gone out never does."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.proxy.parts import attempt
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Attempt
from headgate.proxy.connection import CallFailedError
from headgate.proxy.outlasting import Outlasting

pytestmark = in_virtual_time


class Way:
    """A way of a write that waits for `queued_s`, is sent, and takes `s`."""

    def __init__(self, queued_s: float = 0, s: float = 0, failure: CallFailedError | None = None) -> None:
        self.sent = self.ended = 0
        self._queued_s, self._s, self._failure = queued_s, s, failure

    async def __call__(self, made: Attempt) -> Mapping[str, Any]:
        await asyncio.sleep(self._queued_s)
        made.sent = True
        self.sent += 1
        await asyncio.sleep(self._s)
        self.ended += 1
        if self._failure is not None:
            raise self._failure
        return {"content": []}


async def test_it_gives_the_result_or_raises_the_failure() -> None:
    async with asyncio.TaskGroup() as tasks:
        writes = Outlasting(tasks)

        assert await writes.call(Way(s=1), attempt()) == {"content": []}
        with pytest.raises(CallFailedError, match="no"):
            await writes.call(Way(failure=CallFailedError("TOOL_ERROR", "no", sent=True)), attempt())


async def test_one_that_has_been_sent_goes_on_when_its_caller_leaves() -> None:
    way = Way(s=5)
    async with asyncio.TaskGroup() as tasks:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await Outlasting(tasks).call(way, attempt())

    assert (way.sent, way.ended) == (1, 1)


async def test_one_that_waits_is_called_off_with_its_caller() -> None:
    way = Way(queued_s=5)
    async with asyncio.TaskGroup() as tasks:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await Outlasting(tasks).call(way, attempt())

    assert way.sent == 0


async def test_in_the_end_what_has_been_sent_is_waited_for_and_what_waits_is_called_off() -> None:
    sent, waiting = Way(s=5), Way(queued_s=5)
    async with asyncio.TaskGroup() as tasks:
        writes = Outlasting(tasks)
        callers = [tasks.create_task(_left_alone(writes, way)) for way in (sent, waiting)]
        await asyncio.sleep(1)
        for caller in callers:
            caller.cancel()
        writes.call_off()
        await writes.ended()

        assert (sent.ended, waiting.sent) == (1, 0)


async def _left_alone(writes: Outlasting, way: Way) -> None:
    await writes.call(way, attempt())
