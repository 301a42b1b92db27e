"""An HTTP server that speaks just enough MCP to go wrong in the middle of it, in this process."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

OK = "200 OK"
DISCOVERED: dict[str, Any] = {
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "faulty", "version": "1"},
    "resultType": "complete",
    "ttlMs": 0,
    "cacheScope": "private",
}
Raw = Callable[[object, asyncio.StreamWriter], Awaitable[None]]
"""Writes whatever it likes in answer to the call with this id."""


class Faulty:
    """What each tool call meets is in `faults`, by the tool's name; `sessions` counts the handshakes."""

    def __init__(self) -> None:
        self.sessions = 0
        self.known: set[str] = set()
        self.session_name = "session"
        self.arrived: list[str] = []
        self.deleted = 0
        self.cancelled = asyncio.Event()
        self.hanging = asyncio.Event()
        self.hang_goodbye = False
        self.forgotten = "404"
        self.tools: list[object] = [{"name": "t", "inputSchema": {"type": "object"}}]
        self.raw: dict[str, Raw] = {}
        """Further tools, by name."""
        self.streams: list[Raw] = []
        """What the streams of news hold, one after the other; then there is none."""
        self.resumed_after: list[str] = []
        self.said: list[dict[str, Any]] = []
        """What came in of notifications and answers to our own requests."""
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.page: str | None = None
        """A path at which there is a page for people."""
        self.hang_courtesies = False
        self.modern = False
        """Whether it speaks the era without sessions."""
        self.asked: list[object] = []
        """The ids of the calls."""
        self.left = asyncio.Event()
        """Set when a connection ends whose call has not been answered."""
        self.no_news = asyncio.Event()
        """Set when somebody has asked for a stream of news and there was none."""
        self.url = ""
        self._readers: dict[asyncio.StreamWriter, asyncio.StreamReader] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._readers[writer] = reader
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.paths.append(lines[0].split()[1])
                if self.paths[-1] == self.page:
                    await reply(writer, OK, b"<html>back soon</html>", "text/html")
                    continue
                await self.answer(lines[0].split()[0], headers, json.loads(body) if body else {}, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def answer(
        self, verb: str, headers: dict[str, str], message: dict[str, Any], writer: asyncio.StreamWriter
    ) -> None:
        session = headers.get("mcp-session-id")
        if verb == "DELETE":
            self.deleted += 1
            if self.hang_goodbye:
                await asyncio.sleep(60)
            return await reply(writer, OK, b"")
        if verb == "GET":
            return await self.news(headers, writer)
        self.headers.append(headers)
        method, identity = message.get("method"), message.get("id")
        if session is not None and session not in self.known:
            return await forgotten(writer, self.forgotten)
        match method:
            case "initialize":
                self.sessions += 1
                name = f"{self.session_name}-{self.sessions}"
                self.known.add(name)
                result: dict[str, Any] = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
                server = {"serverInfo": {"name": "faulty", "version": "1"}}
                return await say(writer, identity, {**result, **server}, f"Mcp-Session-Id: {name}\r\n")
            case "tools/list":
                return await say(writer, identity, {"tools": self.tools})
            case "tools/call":
                self.arrived.append(message["params"]["name"])
                self.asked.append(identity)
                return await self.call(message["params"]["name"], identity, writer)
            case _ if identity is None or method is None:
                return await self.hear(message, writer)
            case "server/discover" if self.modern:
                await say(writer, identity, DISCOVERED)
            case _:
                await say_error(writer, identity)
        return None

    async def news(self, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        if not self.streams:
            self.no_news.set()
            return await reply(writer, "405 Method Not Allowed", b"")
        self.resumed_after.append(headers.get("last-event-id", ""))
        return await self.streams.pop(0)(None, writer)

    async def hear(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if message.get("method") == "notifications/cancelled":
            self.cancelled.set()
        if message.get("method") != "notifications/initialized":
            self.said.append(message)
            if self.hang_courtesies:
                await asyncio.sleep(60)
        await reply(writer, "202 Accepted", b"")

    async def call(self, name: str, identity: object, writer: asyncio.StreamWriter) -> None:  # noqa: C901 - a list of faults
        match name:
            case "ok":
                await say(writer, identity, {"content": []})
            case "slow":
                await asyncio.sleep(0.1)
                await say(writer, identity, {"content": []})
            case "hang":
                self.hanging.set()
                await self._readers[writer].read()
                self.left.set()
            case "reset":
                writer.transport.abort()
            case "cut":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
                await writer.drain()
                writer.transport.abort()
            case "cut_stream":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: message\r\n")
                await writer.drain()
                writer.transport.abort()
            case "error_as_json":
                await reply(writer, "502 Bad Gateway", b'{"error": "bad gateway"}')
            case "rpc_error":
                error = {"jsonrpc": "2.0", "id": identity, "error": {"code": -32602, "message": "no such order"}}
                await reply(writer, "400 Bad Request", json.dumps(error).encode())
            case "page":
                await reply(writer, OK, b"<html>please log in</html>", "text/html")
            case "garbage":
                await reply(writer, OK, b"{not json")
            case _ if name in self.raw:
                await self.raw[name](identity, writer)
            case _:
                await reply(writer, f"{name} Status", b"<html>an error</html>", "text/html")


async def forgotten(writer: asyncio.StreamWriter, status: str) -> None:
    if status == "404":
        await reply(writer, "404 Not Found", b"gone", "text/plain")
    elif status == "400 in words":
        await reply(writer, "400 Bad Request", b"Bad Request: No valid session ID provided", "text/plain")
    else:
        error = {"code": -32000, "message": "Bad Request: No valid session ID provided"}
        body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        await reply(writer, "400 Bad Request", body)


async def reply(
    writer: asyncio.StreamWriter, status: str, body: bytes, kind: str = "application/json", more: str = ""
) -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


async def say(writer: asyncio.StreamWriter, identity: object, result: dict[str, Any], more: str = "") -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": identity, "result": result}).encode()
    await reply(writer, OK, body, more=more)


async def say_error(writer: asyncio.StreamWriter, identity: object) -> None:
    error = {"code": -32601, "message": "no such method"}
    await reply(writer, OK, json.dumps({"jsonrpc": "2.0", "id": identity, "error": error}).encode())


@asynccontextmanager
async def faulty_server(port: int = 0) -> AsyncGenerator[Faulty]:
    """The server, on a free port of the loopback."""
    faulty = Faulty()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await faulty.serve(reader, writer)
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    faulty.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    try:
        yield faulty
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
