"""The bytes of a stdio server, without a client that would tidy them up first."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

ANSWER_LIMIT_S = 20
STOP_LIMIT_S = 10
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "wire", "version": "1"},
}


class Wire:
    """JSON-RPC, a line each way."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._id = 0

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of a request; messages that answer something else are passed over."""
        self._id += 1
        await self._send({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params or {}})
        assert self._process.stdout is not None
        with anyio.fail_after(ANSWER_LIMIT_S):
            while line := await self._process.stdout.readline():
                answer = json.loads(line)  # every line of stdout is JSON-RPC, or this fails
                if answer.get("id") == self._id:
                    return answer["result"]
        raise AssertionError(f"stdout ended before {method} was answered")

    async def initialize(self) -> dict[str, Any]:
        said = await self.request("initialize", HELLO)
        await self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return said

    async def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def wired(
    command: Sequence[str], *, env: dict[str, str] | None = None, cwd: Path | None = None
) -> AsyncGenerator[Wire]:
    """Start a stdio server; at the end its stdin closes, and that alone must end it."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=env, cwd=cwd, limit=2**24)
    try:
        yield Wire(process)
        assert process.stdin is not None
        process.stdin.close()
        with anyio.fail_after(STOP_LIMIT_S):
            await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
