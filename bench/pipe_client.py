"""The cheapest MCP client that still is one: pipes, orjson, one future per request.

It drives the upstream straight (the floor) and every server that stands in front of it, so that the client's own cost
is the same wherever it is used. What is sent within one turn of the event loop leaves in one write.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any, Self, cast

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PROTOCOL_VERSION = "2025-11-25"
METHOD_NOT_FOUND = -32601
EXIT_GRACE_S = 2.0

_live_groups: set[int] = set()


class ServerGoneError(Exception):
    """The server ended, closed its stdout, or wrote something to it that is not MCP."""


class RequestRefusedError(Exception):
    """The server answered with a JSON-RPC error."""


def kill_stragglers() -> None:
    """Kill every process group that was started here and not seen to end. For the very end, and for Ctrl-C."""
    for group in tuple(_live_groups):
        _kill_group(group)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    _live_groups.discard(group)


class PipeClient(asyncio.SubprocessProtocol):
    """A running stdio server and the requests that wait for its answers."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._exited = asyncio.Event()
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._outgoing: list[bytes] = []
        self._tail: list[bytes] = []
        self._last_id = 0

    @classmethod
    async def start(cls, command: Sequence[str], *, env: dict[str, str], folder: Path, log: Path) -> Self:
        """Start the server in a process group of its own, its stderr going to a file."""
        loop = asyncio.get_running_loop()
        with log.open("ab") as stderr:
            transport, client = await loop.subprocess_exec(
                cls, *command, stderr=stderr, env=env, cwd=folder, start_new_session=True
            )
        _live_groups.add(transport.get_pid())
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is needed to write to the process and to end it."""
        self._process = cast("asyncio.SubprocessTransport", transport)
        self._stdin = cast("asyncio.WriteTransport", self._process.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Hand each whole line to the request that waits for it; keep the rest for the next read."""
        if fd != 1:
            return
        first, *others = data.split(b"\n")
        self._tail.append(first)
        for line in others:
            self._receive(b"".join(self._tail))
            self._tail = [line]

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - the name is asyncio's
        """Fail what is open: nothing more will come."""
        if fd == 1:
            self._fail_pending()

    def process_exited(self) -> None:
        """Note the end for `close`, and fail what is open."""
        self._exited.set()
        self._fail_pending()

    def request(self, method: str, params: dict[str, Any]) -> asyncio.Future[Any]:
        """Send a request; the future gets its result."""
        self._last_id += 1
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._exited.is_set():
            future.set_exception(ServerGoneError("the server has ended"))
            return future
        self._pending[self._last_id] = future
        self._send({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})
        return future

    async def initialize(self) -> Any:
        """Do the handshake and return what the server says of itself."""
        client_info = {"name": "headgate-bench", "version": "1"}
        hello = {"protocolVersion": PROTOCOL_VERSION, "capabilities": {}, "clientInfo": client_info}
        answer = await self.request("initialize", hello)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    async def close(self, grace_s: float = EXIT_GRACE_S) -> None:
        """End the server: its stdin first, and its whole process group if that does not do it in time."""
        self._stdin.close()
        try:
            async with asyncio.timeout(grace_s):
                await self._exited.wait()
        except TimeoutError:
            pass
        finally:
            _kill_group(self._process.get_pid())
        await self._exited.wait()
        self._process.close()

    def _send(self, message: dict[str, Any]) -> None:
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))

    def _flush(self) -> None:
        self._stdin.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def _receive(self, line: bytes) -> None:
        try:
            message = orjson.loads(line)
        except orjson.JSONDecodeError:
            self._fail_pending(f"the server wrote something that is not MCP: {line[:80]!r}")
            return
        if "method" in message:
            if "id" in message:
                refusal = {"code": METHOD_NOT_FOUND, "message": "not a thing this client does"}
                self._send({"jsonrpc": "2.0", "id": message["id"], "error": refusal})
            return
        future = self._pending.pop(message.get("id"), None)
        if future is None or future.done():
            return
        if "result" in message:
            future.set_result(message["result"])
        else:
            future.set_exception(RequestRefusedError(message["error"]["message"]))

    def _fail_pending(self, why: str = "the server ended in the middle of a request") -> None:
        pending, self._pending = self._pending, {}
        for future in pending.values():
            if not future.done():
                future.set_exception(ServerGoneError(why))
