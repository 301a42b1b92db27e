"""An MCP server over streamable HTTP, with as little in it as will do, whose tools answer as badly as their names say.

    python bench/faulty_http.py      prints its URL and serves until its stdin ends

It uses no SDK, so that what is measured is the client and not this server. It speaks the handshake era.
"""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import count
from typing import Any

import orjson

TOOLS = ("noop", "hang", "reset", "flood", "trickle", "news", "changes", "event")
INITIALIZED: dict[str, Any] = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "faulty", "version": "1"},
}
PIECE, PIECES = 64 * 1024, 1024
"""64 MiB."""
NEWS = {
    "news": orjson.dumps(
        {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}
    ),
    "changes": orjson.dumps({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}),
}
"""Events that come without end, by the tool that they come from."""


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            body = await reader.readexactly(length)
            if head.startswith(b"post"):
                await answer(orjson.loads(body), writer)
            else:
                await reply(writer, b"405 Method Not Allowed", b"")
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def answer(message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """Answer one message."""
    identity, method = message.get("id"), message.get("method")
    if identity is None:
        await reply(writer, b"202 Accepted", b"")
    elif method == "initialize":
        await result(writer, identity, INITIALIZED)
    elif method == "tools/list":
        schema = {"type": "object"}
        read = {"readOnlyHint": True}
        await result(
            writer, identity, {"tools": [{"name": name, "inputSchema": schema, "annotations": read} for name in TOOLS]}
        )
    elif method == "tools/call":
        await call(message["params"]["name"], identity, writer)
    else:
        error = {"code": -32601, "message": "no such method"}
        await reply(writer, b"200 OK", orjson.dumps({"jsonrpc": "2.0", "id": identity, "error": error}))


async def call(name: str, identity: object, writer: asyncio.StreamWriter) -> None:
    """Do what the tool's name says."""
    if name == "hang":
        await asyncio.sleep(3600)
    elif name == "reset":
        writer.transport.abort()
    elif name in {"flood", "trickle", "event", *NEWS}:
        kind = b"application/json" if name in {"flood", "trickle"} else b"text/event-stream"
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\ntransfer-encoding: chunked\r\n\r\n")
        await pour(name, writer)
    else:
        await result(writer, identity, {"content": [{"type": "text", "text": "ok"}]})


async def pour(name: str, writer: asyncio.StreamWriter) -> None:
    """Write a body that is too large, too slow, or all news and no answer."""
    piece = {"flood": b"x" * PIECE, "event": b"x" * PIECE, "trickle": b" "}.get(name)
    if piece is None:
        piece = (b"data: " + NEWS[name] + b"\n\n") * 500
    writer.write(chunk(b"data: " if name == "event" else b" "))
    for _ in count() if name in NEWS else range(PIECES):
        writer.write(chunk(piece))
        await writer.drain()
        if name == "trickle":
            await asyncio.sleep(0.01)
    writer.write(chunk(b"\n\n" if name == "event" else b" ") + chunk(b""))


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body; without data, its end."""
    return f"{len(data):x}".encode() + b"\r\n" + data + b"\r\n"


async def result(writer: asyncio.StreamWriter, identity: object, result: dict[str, Any]) -> None:
    """Answer with a result."""
    await reply(writer, b"200 OK", orjson.dumps({"jsonrpc": "2.0", "id": identity, "result": result}))


async def reply(writer: asyncio.StreamWriter, status: bytes, body: bytes) -> None:
    """Write a whole response."""
    head = b"HTTP/1.1 " + status + b"\r\ncontent-type: application/json\r\ncontent-length: " + str(len(body)).encode()
    writer.write(head + b"\r\n\r\n" + body)
    await writer.drain()


async def main() -> None:
    """Serve on a free port of the loopback until stdin ends."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp\n")
    sys.stdout.flush()
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    await stdin.read()
    os._exit(0)  # whoever hangs here need not be told


if __name__ == "__main__":
    asyncio.run(main())
