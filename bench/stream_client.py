"""The bare client that one writes in ten minutes: asyncio streams and orjson, a write and a future for each call.

`pipe_client.py` is the floor of what can be done; this is the floor of what is usually done.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from pipe_client import PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from pathlib import Path

LINE_LIMIT = 1 << 24


class StreamClient:
    """One server, spoken to in lines."""

    def __init__(self, stdin: asyncio.StreamWriter, stdout: asyncio.StreamReader) -> None:
        self._stdin, self._stdout = stdin, stdout
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._last_id = 0

    async def request(self, method: str, params: dict[str, Any]) -> Any:
        """Send a request, and give its result."""
        self._last_id += 1
        answer = self._pending[self._last_id] = asyncio.get_running_loop().create_future()
        message = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        self._stdin.write(orjson.dumps(message) + b"\n")
        await self._stdin.drain()
        return await answer

    async def read(self) -> None:
        """Hand out the answers, until the server ends."""
        while line := await self._stdout.readline():
            message = orjson.loads(line)
            self._pending.pop(message["id"]).set_result(message["result"])


@asynccontextmanager
async def open_stream_client(
    command: Sequence[str], env: Mapping[str, str], folder: Path
) -> AsyncGenerator[StreamClient]:
    """Start the server and shake hands with it; it ends with the context."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, env=env, cwd=folder, limit=LINE_LIMIT
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a process without pipes")
    client = StreamClient(process.stdin, process.stdout)
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(client.read())
        try:
            client_info = {"name": "headgate-bench", "version": "1"}
            hello = {"protocolVersion": PROTOCOL_VERSION, "capabilities": {}, "clientInfo": client_info}
            await client.request("initialize", hello)
            yield client
        finally:
            reading.cancel()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
