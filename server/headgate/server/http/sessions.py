"""Streamable HTTP with sessions for those clients that open one, and without for all others.

A session is what an upstream can ask its client over. It is opened by `initialize`; the newer era has none, and a
request of the older era that names none stands for itself.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.shared.inbound import MCP_METHOD_HEADER
from starlette.types import Message, Receive, Scope, Send

IDLE_S = 1800.0
"""After that, a session is over of which nothing has been heard: many clients never say that they go."""


class Sessions:
    """An ASGI application in front of an MCP server. `run` has to be open while it is used."""

    def __init__(self, server: Server[Any], body_limit: int) -> None:
        """Bodies of more than `body_limit` bytes are refused."""
        self._limit = body_limit
        self._managers = [
            StreamableHTTPSessionManager(
                server, stateless=stateless, max_request_body_size=body_limit, session_idle_timeout=IDLE_S
            )
            for stateless in (False, True)
        ]
        self._with, self._without = map(StreamableHTTPASGIApp, self._managers)
        self._standing: set[anyio.CancelScope] = set()
        """The streams that clients listen on for whatever may come."""
        self._asked = 0
        """Requests that are being answered."""
        self._closing = False

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Serve for as long as the context is open; then every session ends."""
        async with self._managers[0].run(), self._managers[1].run():
            yield

    def close(self) -> None:
        """End the streams that would stay open for ever, once every request has been answered.

        Clients take the end of such a stream for that of all that they wait for.
        """
        self._closing = True
        if not self._asked:
            for stream in self._standing:
                stream.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "GET":
            await self._stand(scope, receive, send)
            return
        self._asked += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self._asked -= 1
            if self._closing:
                self.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.lower() for name, _ in scope["headers"]}
        if scope["method"] != "POST":
            await self._with(scope, receive, send)
        elif MCP_SESSION_ID_HEADER.lower().encode() in headers:
            await self._in_session(scope, receive, send)
        elif MCP_METHOD_HEADER.lower().encode() in headers:
            await self._without(scope, receive, send)
        else:
            taken = await self._body(receive)
            app = self._with if _opens_a_session(taken) else self._without
            await app(scope, _again(taken, receive), send)

    async def _stand(self, scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.CancelScope() as stream:
            self._standing.add(stream)
            try:
                await self._with(scope, receive, send)
            finally:
                self._standing.discard(stream)

    async def _in_session(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of a session. Where its client hangs up on it, it is cancelled: it could not be resumed."""
        taken = await self._body(receive)
        exchange = _Exchange(_again(taken, receive), send)
        await self._with(scope, exchange.receive, exchange.send)
        request = _request_in(taken) if exchange.broken_off else {}
        if "id" in request:
            params = {"requestId": request["id"], "reason": "the client has gone"}
            note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            messages: list[Message] = [
                {"type": "http.request", "body": json.dumps(note).encode()},
                {"type": "http.disconnect"},
            ]
            headers = [header for header in scope["headers"] if header[0].lower() != b"content-length"]
            await self._with({**scope, "headers": headers}, _again(messages, receive), _nowhere)

    async def _body(self, receive: Receive) -> list[Message]:
        """The body, as far as it is within the limit: what is larger is refused by whoever reads on."""
        taken: list[Message] = []
        size, more = 0, True
        while more and size <= self._limit:
            taken.append(await receive())
            more = taken[-1]["type"] == "http.request" and taken[-1].get("more_body", False)
            size += len(taken[-1].get("body", b""))
        return taken


class _Exchange:
    """One request and its answer, and whether the client stayed until it had it."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._gone = False
        self._answered = False

    @property
    def broken_off(self) -> bool:
        return self._gone and not self._answered

    async def receive(self) -> Message:
        message = await self._receive()
        self._gone |= message["type"] == "http.disconnect"
        return message

    async def send(self, message: Message) -> None:
        await self._send(message)
        self._answered |= message["type"] == "http.response.body" and not message.get("more_body", False)


async def _nowhere(_message: Message) -> None:
    """Nobody is there to be answered."""


def _opens_a_session(taken: list[Message]) -> bool:
    return _request_in(taken, b'"initialize"').get("method") == "initialize"


def _request_in(taken: list[Message], holding: bytes = b"") -> dict[str, Any]:
    """The request in a body that holds these bytes; nothing where there is none."""
    body = b"".join(message.get("body", b"") for message in taken)
    if holding not in body:
        return {}
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", request) if isinstance(request, dict) else {}


def _again(taken: list[Message], receive: Receive) -> Receive:
    waiting = iter(taken)

    async def next_message() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return next_message
