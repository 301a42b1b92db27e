"""One end of a line of JSON-RPC, without anything at the other."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import orjson
from mcp.shared.exceptions import MCPError
from tests.proxy.parts import turns

from headgate.proxy.rpc import Rpc


class Line:
    """The end of a line: what was written to it, and what it says."""

    def __init__(self) -> None:
        self.rpc = Rpc()
        self.written: list[dict[str, Any]] = []
        self.rpc.write = lambda line: self.written.append(orjson.loads(line))

    def says(self, **message: Any) -> None:
        self.rpc.receive(orjson.dumps({"jsonrpc": "2.0", **message}))

    def ask(self, tasks: asyncio.TaskGroup) -> asyncio.Task[dict[str, Any]]:
        return tasks.create_task(self.rpc.request("m", {}).answer())


@asynccontextmanager
async def served(rpc: Rpc) -> AsyncGenerator[None]:
    """`rpc` with its `run` under way, refusing every request."""

    async def refuse(_ctx: Any, method: str, _params: Mapping[str, Any] | None) -> dict[str, Any]:
        if method == "crash":
            raise RuntimeError("a secret")
        raise MCPError(types.METHOD_NOT_FOUND, f"no {method} here")

    async def note(_ctx: Any, _method: str, _params: Mapping[str, Any] | None) -> None:
        raise RuntimeError("a secret")

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(rpc.run(refuse, note))
        await turns()
        yield
        running.cancel()
