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


class Sessions:
    """An ASGI application in front of an MCP server. `run` has to be open while it is used."""

    def __init__(self, server: Server[Any], body_limit: int) -> None:
        """Bodies of more than `body_limit` bytes are refused."""
        self._limit = body_limit
        self._managers = [
            StreamableHTTPSessionManager(server, stateless=stateless, max_request_body_size=body_limit)
            for stateless in (False, True)
        ]
        self._with, self._without = map(StreamableHTTPASGIApp, self._managers)
        self._standing: set[anyio.CancelScope] = set()
        """The streams that clients listen on for whatever may come."""

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Serve for as long as the context is open; then every session ends."""
        async with self._managers[0].run(), self._managers[1].run():
            yield

    def close(self) -> None:
        """End the streams that would stay open for ever. Requests are answered all the same."""
        for stream in self._standing:
            stream.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {name.lower() for name, _ in scope["headers"]}
        if scope["method"] == "GET":
            await self._stand(scope, receive, send)
        elif scope["method"] != "POST" or MCP_SESSION_ID_HEADER.lower().encode() in headers:
            await self._with(scope, receive, send)
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

    async def _body(self, receive: Receive) -> list[Message]:
        """The body, as far as it is within the limit: what is larger is refused by whoever reads on."""
        taken: list[Message] = []
        size, more = 0, True
        while more and size <= self._limit:
            taken.append(await receive())
            more = taken[-1]["type"] == "http.request" and taken[-1].get("more_body", False)
            size += len(taken[-1].get("body", b""))
        return taken


def _opens_a_session(taken: list[Message]) -> bool:
    body = b"".join(message.get("body", b"") for message in taken)
    if b'"initialize"' not in body:
        return False
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(request, dict) and cast("dict[str, object]", request).get("method") == "initialize"


def _again(taken: list[Message], receive: Receive) -> Receive:
    waiting = iter(taken)

    async def next_message() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return next_message
