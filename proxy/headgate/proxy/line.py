"""What every carrier of JSON-RPC is to the SDK's sessions: one that runs until it is closed, and hears its peer out."""

import asyncio
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.abc
from mcp.shared.dispatcher import Dispatcher, OnNotify, OnNotifyIntercept, OnRequest
from mcp.shared.transport_context import TransportContext

from headgate.proxy.serving import Serving


class Line(Dispatcher[TransportContext]):
    """A Dispatcher in the SDK's sense, less what depends on how messages travel."""

    def __init__(self) -> None:
        """It is open, and what the peer says unasked is let go until `run`."""
        self._closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._serving: Serving | None = None
        self.ignored = 0
        """Messages that were no JSON-RPC, or answers that nobody waits for (any more)."""
        self.unasked: int = 0
        """What weighs everything that came in and was no awaited answer: see `backpressure`."""

    def reply(self, message: Mapping[str, Any]) -> None:
        """Send the answer to a request of the peer's; into a closed line it is dropped."""
        raise NotImplementedError

    def take(self, message: dict[str, Any]) -> None:
        """Have a request or notification of the peer's handled."""
        if self._serving is not None:
            self._serving.take(message)

    async def closed(self) -> str:
        """Wait for `close`; the reason that it was given."""
        return await asyncio.shield(self._closed)

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve the peer's own requests and notifications until the line closes."""
        async with anyio.create_task_group() as tasks:
            self._serving = Serving(self, tasks, on_request, on_notify, on_notify_intercept)
            task_status.started()
            try:
                await self.closed()
            finally:
                self._serving = None
                tasks.cancel_scope.cancel()
