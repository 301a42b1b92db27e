"""An upstream in memory whose openings go as a test says, and its owner at work."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from tests.proxy.parts import answer, attempt, definition, tool

from headgate.proxy.connection import Connection, Opening
from headgate.proxy.memory import MemoryUpstream
from headgate.proxy.upstream import Upstream
from headgate.tools.rules import UpstreamRules


async def look(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    await asyncio.sleep(arguments.get("s", 0))
    return answer()


class Far:
    """An upstream in memory whose openings go as the test says."""

    def __init__(self) -> None:
        self.memory = MemoryUpstream([definition("look")], {"look": look})
        self.opened_at: list[float] = []
        self.closed = 0
        self.takes_s = 0.0
        self.fails: BaseException | None = None
        self.openings: list[Opening] = []

    def open(self, opening: Opening) -> AbstractAsyncContextManager[Connection]:
        return self._open(opening)

    @asynccontextmanager
    async def _open(self, opening: Opening) -> AsyncGenerator[Connection]:
        self.opened_at.append(asyncio.get_running_loop().time())
        self.openings.append(opening)
        await asyncio.sleep(self.takes_s)
        if self.fails is not None:
            raise self.fails
        try:
            async with self.memory.open(opening) as connection:
                yield connection
        finally:
            self.closed += 1


@asynccontextmanager
async def running(far: Far, replicas: int = 1, **rules: Any) -> AsyncGenerator[Upstream]:
    upstream = Upstream("far", UpstreamRules(replicas=replicas, **rules), far.open, lambda: None)
    async with asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(upstream.run())
        try:
            yield upstream
        finally:
            owner.cancel()


def now() -> float:
    return asyncio.get_running_loop().time()


def looking(s: float = 0, timeout_s: float = 30) -> Any:
    made = attempt(tool(upstream="far"), timeout_s)
    made.arguments = {**made.arguments, "s": s}
    return made
