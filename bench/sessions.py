"""An open connection to one contestant, in the three shapes that there are.

- `PlainSession`: the contestant has no batch tool, so a batch is as many `tools/call` at the same time;
- `BatchSession`: it has one, so a batch is one `tools/call` that carries the list;
- `SdkSession`: the SDK's own client in place of the pipe client.

The `read_` methods read the answers back, so that each run proves that every call reached the upstream and came back
whole and in order. That reading is never part of a measured time.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from mcp import Client, StdioServerParameters
    from pipe_client import PipeClient
    from stream_client import StreamClient

Arguments = dict[str, Any]


class Session(Protocol):
    """What every measure is made with."""

    async def call(self, tool: str, arguments: Arguments) -> Any:
        """Call one tool the plain way, without a batch around it."""
        ...

    async def batch(self, tool: str, each: list[Arguments]) -> Any:
        """Call one tool once for each set of arguments, in the contestant's own way of calling many."""
        ...

    def read_call(self, reply: Any) -> int:
        """Give the `n` out of the answer to `call`."""
        ...

    def read_batch(self, reply: Any) -> list[int]:
        """Give the `n` out of each answer to `batch`, in the order of the reply."""
        ...


class PlainSession:
    """Many calls are many requests."""

    def __init__(self, client: PipeClient | StreamClient) -> None:
        self._client = client

    async def call(self, tool: str, arguments: Arguments) -> Any:
        """Call one tool."""
        return await self._client.request("tools/call", {"name": tool, "arguments": arguments})

    async def batch(self, tool: str, each: list[Arguments]) -> Any:
        """Send every request, then wait for all the answers."""
        request = self._client.request
        return await asyncio.gather(*[request("tools/call", {"name": tool, "arguments": args}) for args in each])

    def read_call(self, reply: Any) -> int:
        """Read the answer."""
        return reply["structuredContent"]["n"]

    def read_batch(self, reply: Any) -> list[int]:
        """Read each answer."""
        return [self.read_call(answer) for answer in reply]


class BatchSession:
    """Many calls are one request."""

    def __init__(
        self, client: PipeClient, *, batch_tool: str, prefix: str, number: Callable[[dict[str, Any]], int]
    ) -> None:
        self._client = client
        self._batch_tool = batch_tool
        self._prefix = prefix
        self._number = number

    async def call(self, tool: str, arguments: Arguments) -> Any:
        """Call one tool, passed through under the contestant's name for it."""
        return await self._client.request("tools/call", {"name": self._prefix + tool, "arguments": arguments})

    async def batch(self, tool: str, each: list[Arguments]) -> Any:
        """Send the list."""
        calls = [{"tool": self._prefix + tool, "arguments": args} for args in each]
        return await self._client.request("tools/call", {"name": self._batch_tool, "arguments": {"calls": calls}})

    def read_call(self, reply: Any) -> int:
        """Read the answer that was passed through."""
        return reply["structuredContent"]["n"]

    def read_batch(self, reply: Any) -> list[int]:
        """Read each slot of the reply."""
        return [self._number(slot) for slot in reply["structuredContent"]["results"]]


class SdkSession:
    """The SDK's client, straight to the upstream."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, arguments: Arguments) -> Any:
        """Call one tool."""
        return await self._client.call_tool(tool, arguments)

    async def batch(self, tool: str, each: list[Arguments]) -> Any:
        """Make every call in a task of its own, as user code does with gather."""
        return await asyncio.gather(*[self._client.call_tool(tool, args) for args in each])

    def read_call(self, reply: Any) -> int:
        """Read the answer."""
        return reply.structured_content["n"]

    def read_batch(self, reply: Any) -> list[int]:
        """Read each answer."""
        return [self.read_call(answer) for answer in reply]


@contextlib.asynccontextmanager
async def open_sdk_session(server: StdioServerParameters, log: Path) -> AsyncGenerator[SdkSession]:
    """Keep the SDK's client open in a task of its own: if its connection breaks, it cancels the task that holds it."""
    ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
    release = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_hold_client(server, log, ready, release))
        try:
            yield SdkSession(await ready)
        finally:
            release.set()


async def _hold_client(
    server: StdioServerParameters, log: Path, ready: asyncio.Future[Client], release: asyncio.Event
) -> None:
    from mcp import Client  # noqa: PLC0415 - half a second, and only this contestant needs it
    from mcp.client.stdio import stdio_client  # noqa: PLC0415

    try:
        with log.open("a") as errlog:
            async with Client(stdio_client(server, errlog=errlog)) as client:
                await client.list_tools()  # without the list, each call of the first batch would fetch it
                ready.set_result(client)
                await release.wait()
    except Exception as failure:  # noqa: BLE001 - whatever it is, it belongs to whoever waits for the client
        if not ready.done():
            ready.set_exception(failure)
