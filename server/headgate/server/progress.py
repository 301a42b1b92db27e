"""Progress notifications, where the client asked for them: it may hang up on a silent server."""

import asyncio
from types import TracebackType
from typing import Any, Self

from mcp.server.context import ServerRequestContext

EVERY_S = 8.0
"""Seconds between two notifications at most: clients reset their clocks by them, and 10 s is promised."""
SOONEST_S = 0.25
"""Seconds between two notifications at least, however fast calls end."""
_BEAT = 0.001
"""What a notification adds when no call has ended since the last: progress must always rise."""


def wants_progress(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client asked for progress of this request."""
    return ctx.meta is not None and ctx.meta.get("progress_token") is not None


class Beat:
    """Notifies the client of one request for as long as the context is open; nothing comes after the answer."""

    def __init__(self, ctx: ServerRequestContext[Any, Any]) -> None:
        """Nothing is sent before the context is entered."""
        self._ctx = ctx
        self._ended, self._total = 0, 0
        self._sent = -_BEAT
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def progress(self, ended: int, total: int) -> None:
        """Note how many calls have ended."""
        self._ended, self._total = ended, total
        self._news.set()

    async def __aenter__(self) -> Self:
        """Start notifying."""
        self._task = asyncio.get_running_loop().create_task(self._notify())
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop notifying."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _notify(self) -> None:
        while True:
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            self._sent = max(float(self._ended), self._sent + _BEAT)
            message = f"{self._ended} of {self._total} calls have ended"
            await self._ctx.session.report_progress(self._sent, max(self._total, self._sent), message)
            await asyncio.sleep(SOONEST_S)
