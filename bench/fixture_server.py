"""The one upstream that every contestant calls: an MCP server over stdio with as little in it as will do.

It uses no SDK, so that what is measured is the contestant and not this server: one read callback, one write per turn
of the event loop, no task per call. Calls run fully at once. It ends when its stdin does, whoever started it.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import orjson

PROTOCOL_VERSION = "2025-11-25"
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602


def _tool(name: str, description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}, **properties}},
        "annotations": {"readOnlyHint": True},
    }


TOOLS = [
    _tool("noop", "Answers at once.", {}),
    _tool("wait", "Answers after a while.", {"ms": {"type": "number"}}),
    _tool("echo", "Answers with the text it was given.", {"text": {"type": "string"}}),
]
INITIALIZED: dict[str, Any] = {
    "protocolVersion": PROTOCOL_VERSION,
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "fixture", "version": "1"},
}


def _call_result(arguments: dict[str, Any]) -> dict[str, Any]:
    """Give back the caller's own number, so that it can see that each answer is the answer to its own call."""
    data = {"n": arguments.get("n")}
    if "text" in arguments:
        data["text"] = arguments["text"]
    return {"content": [{"type": "text", "text": orjson.dumps(data).decode()}], "structuredContent": data}


class Fixture(asyncio.Protocol):
    """Reads requests from one pipe and answers them on another."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._tail = b""
        self._outgoing: list[bytes] = []
        self._stdout: asyncio.WriteTransport | None = None

    def answer_on(self, stdout: asyncio.WriteTransport) -> None:
        """Write answers to this pipe, those that came up before it was there included."""
        self._stdout = stdout
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Handle each whole line; keep what is left for the next read."""
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            message = orjson.loads(line)
            if "id" in message and "method" in message:
                self._handle(message["id"], message["method"], message.get("params") or {})

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is asyncio's
        """Note that the client has gone."""
        self.ended.set()

    def _handle(self, request_id: Any, method: str, params: dict[str, Any]) -> None:
        if method == "tools/call":
            self._call(request_id, params["name"], params.get("arguments") or {})
        elif method == "tools/list":
            self._result(request_id, {"tools": TOOLS})
        elif method == "initialize":
            self._result(request_id, INITIALIZED)
        elif method == "ping":
            self._result(request_id, {})
        else:
            self._error(request_id, METHOD_NOT_FOUND, f"no method {method}")

    def _call(self, request_id: Any, tool: str, arguments: dict[str, Any]) -> None:
        if tool in {"noop", "echo"}:
            self._result(request_id, _call_result(arguments))
        elif tool == "wait":
            self._loop.call_later(arguments["ms"] / 1000, self._result, request_id, _call_result(arguments))
        else:
            self._error(request_id, INVALID_PARAMS, f"no tool {tool}")

    def _result(self, request_id: Any, result: dict[str, Any]) -> None:
        self._send({"jsonrpc": "2.0", "id": request_id, "result": result})

    def _error(self, request_id: Any, code: int, message: str) -> None:
        self._send({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}})

    def _send(self, message: dict[str, Any]) -> None:
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))

    def _flush(self) -> None:
        if self._stdout is not None and self._outgoing:
            self._stdout.write(b"".join(self._outgoing))
            self._outgoing.clear()


async def serve() -> None:
    """Serve stdin and stdout until stdin ends."""
    loop = asyncio.get_running_loop()
    _, fixture = await loop.connect_read_pipe(Fixture, sys.stdin)
    stdout, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
    fixture.answer_on(stdout)
    await fixture.ended.wait()


if __name__ == "__main__":
    asyncio.run(serve())
