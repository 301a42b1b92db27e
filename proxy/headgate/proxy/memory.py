"""An upstream inside this process: for embedding, for trying things out, and for tests in virtual time."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from headgate.proxy.connection import CallFailedError, Connection, Opening
from headgate.proxy.direct import Direct

Handler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Takes a call's arguments, gives a `tools/call` result.

A CallFailedError is that call's own failure; whatever else it raises closes the session."""


@dataclass(slots=True)
class MemoryUpstream:
    """Tools and their handlers. `open` is an opener; `drop` ends the sessions that are open."""

    definitions: Sequence[Mapping[str, Any]]
    handlers: Mapping[str, Handler]
    beside: list[tuple[Mapping[str, Any] | None, Mapping[str, str] | None]] = field(
        default_factory=list[tuple[Mapping[str, Any] | None, Mapping[str, str] | None]]
    )
    """What came beside the arguments of calls that had something there: `_meta` and headers."""
    _open: list["_MemoryConnection"] = field(default_factory=list["_MemoryConnection"])

    @asynccontextmanager
    async def open(self, _opening: Opening) -> AsyncGenerator[Connection]:
        """Open a session."""
        connection = _MemoryConnection(self)
        self._open.append(connection)
        try:
            yield connection
        finally:
            self._open.remove(connection)
            connection.end("the upstream was closed")

    def drop(self, reason: str) -> None:
        """End every open session, as a crash would."""
        for connection in self._open:
            connection.end(reason)


class _MemoryConnection:
    def __init__(self, upstream: MemoryUpstream) -> None:
        self._upstream = upstream
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._under_way: set[asyncio.Timeout] = set()
        self._tasks: set[asyncio.Task[Mapping[str, Any]]] = set()

    def end(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)
            for call in self._under_way:
                call.reschedule(asyncio.get_running_loop().time())

    async def list_tools(self) -> Sequence[Mapping[str, Any]]:
        return self._upstream.definitions

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        if meta or headers:
            self._upstream.beside.append((meta, headers))
        if self._ended.done():
            raise CallFailedError("UPSTREAM_UNAVAILABLE", self._ended.result(), sent=False, transient=True)
        call = asyncio.timeout(None)
        try:
            async with call:
                self._under_way.add(call)
                try:
                    return await self._upstream.handlers[name](arguments)
                finally:
                    self._under_way.remove(call)
        except CallFailedError:
            raise
        except Exception as broken:
            if call.expired():
                gone = f"the upstream is gone: {self._ended.result()}"
                raise CallFailedError("UPSTREAM_ERROR", gone, sent=True, transient=True) from None
            self.end(f"the tool {name} failed inside the upstream")
            closed = "the upstream closed the connection"
            raise CallFailedError("UPSTREAM_ERROR", closed, sent=True, transient=True) from broken

    def begin(self, direct: Direct) -> bool:
        if self._ended.done():
            return False
        tool, arguments = direct.attempt.tool, direct.attempt.arguments
        task = asyncio.get_running_loop().create_task(self.call_tool(tool.name, arguments))
        self._tasks.add(task)
        task.add_done_callback(partial(self._land, direct))
        direct.carried(partial(_call_off, task), _as_it_is)
        return True

    def _land(self, direct: Direct, task: asyncio.Task[Mapping[str, Any]]) -> None:
        self._tasks.discard(task)
        if direct.done():
            return
        failed = asyncio.CancelledError() if task.cancelled() else task.exception()
        if failed is None:
            direct.set_result(task.result())
        elif isinstance(failed, Exception):
            direct.set_exception(failed)
        else:
            gone = CallFailedError("UPSTREAM_ERROR", "the upstream's session has ended", sent=True)
            direct.set_exception(gone)

    async def closed(self) -> str:
        return await asyncio.shield(self._ended)


def _call_off(task: asyncio.Task[Mapping[str, Any]]) -> bool:
    task.cancel()
    return False


def _as_it_is(error: Exception) -> CallFailedError:
    return cast("CallFailedError", error)
