"""Single writes, which go on to their end whoever stops waiting for them.

A client that hangs up does not undo what it has sent: a write in flight keeps its turn and its permits until it is
answered or its time is up. One that has not gone out by then never does.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from headgate.proxy.attempt import Attempt, CallPath
from headgate.proxy.connection import CallFailedError

Result = Mapping[str, Any]


class Outlasting:
    """The single writes of one gate."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        """They run as tasks of `tasks`."""
        self._group = tasks
        self._under_way: dict[asyncio.Task[Result | CallFailedError], Attempt] = {}

    async def call(self, path: CallPath, attempt: Attempt) -> Result:
        """Make a write by way of `path`.

        Raises:
            CallFailedError: There is no result, and why.

        """
        task = self._group.create_task(_ending(path, attempt))
        self._under_way[task] = attempt
        task.add_done_callback(self._under_way.pop)
        try:
            ending = await asyncio.shield(task)
        except asyncio.CancelledError:
            _call_off(task, attempt)
            raise
        if isinstance(ending, CallFailedError):
            raise ending
        return ending

    def call_off(self) -> None:
        """End those that have not gone out."""
        for task, attempt in self._under_way.items():
            _call_off(task, attempt)

    async def ended(self) -> None:
        """Wait for all that are under way."""
        if self._under_way:
            await asyncio.wait(list(self._under_way))


def _call_off(task: asyncio.Task[Result | CallFailedError], attempt: Attempt) -> None:
    """End a write that has not gone out."""
    if not attempt.sent:
        attempt.withdrawn = True
        task.cancel()


async def _ending(path: CallPath, attempt: Attempt) -> Result | CallFailedError:
    """What became of it; a failure too is given, since nobody may be there to catch it."""
    try:
        return await path(attempt)
    except CallFailedError as failed:
        return failed
