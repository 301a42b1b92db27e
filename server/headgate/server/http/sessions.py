"""Streamable HTTP with sessions for those clients that open one, and without for all others.

A session is what an upstream can ask its client over. It is opened by `initialize`; the newer era has none, and a
request of the older era that names none stands for itself.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import orjson
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.shared.dispatcher import as_request_id
from mcp.shared.inbound import MCP_METHOD_HEADER
from mcp_types import INVALID_REQUEST, RequestId
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from headgate.proxy.messages import mended

IDLE_S = 1800.0
"""After that, a session is over of which nothing has been heard: many clients never say that they go."""

SETTLING_S = 1.0
"""How long a request may wait for one of the same id: its client has the answer before all is put away behind it."""
_IN_USE = "a request with this id is still being answered: give each request of a session an id of its own"


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
        self._under_way: dict[tuple[str, str], asyncio.Event] = {}
        """The requests of sessions that are being answered, by the session's id and theirs in the SDK's form."""

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
            return
        taken = await self._body(receive)
        if MCP_SESSION_ID_HEADER.lower().encode() in headers:
            await self._in_session(taken, scope, receive, send)
        elif MCP_METHOD_HEADER.lower().encode() in headers:
            await self._without(scope, _again(taken, receive), send)
        else:
            app = self._with if _opens_a_session(taken) else self._without
            await app(scope, _again(taken, receive), send)

    async def _stand(self, scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.CancelScope() as stream:
            self._standing.add(stream)
            try:
                await self._with(scope, receive, send)
            finally:
                self._standing.discard(stream)

    async def _in_session(self, taken: list[Message], scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of a session, unless one of its id is under way: the SDK would mix up their answers."""
        request = _request_in(taken)
        identity = as_request_id(request.get("id")) if "method" in request else None
        if identity is None:
            await self._with(scope, _again(taken, receive), send)
            return
        key = (Headers(scope=scope)[MCP_SESSION_ID_HEADER], str(identity))
        if not await self._is_free(key):
            error = {"code": INVALID_REQUEST, "message": _IN_USE}
            answer = {"jsonrpc": "2.0", "id": identity, "error": error}
            await JSONResponse(answer, 400)(scope, receive, send)
            return
        over = self._under_way[key] = asyncio.Event()
        try:
            await self._answered(identity, taken, scope, receive, send)
        finally:
            del self._under_way[key]
            over.set()

    async def _is_free(self, key: tuple[str, str]) -> bool:
        """Whether no other request has that key, be it after a moment."""
        try:
            async with asyncio.timeout(SETTLING_S):
                while key in self._under_way:
                    await self._under_way[key].wait()
        except TimeoutError:
            return False
        return True

    async def _answered(
        self, identity: RequestId, taken: list[Message], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer it. Where its client hangs up on it, it is cancelled: it could not be resumed."""
        exchange = _Exchange(_again(taken, receive), send)
        await self._with(scope, exchange.receive, exchange.send)
        if exchange.broken_off:
            params = {"requestId": identity, "reason": "the client has gone"}
            note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            messages: list[Message] = [
                {"type": "http.request", "body": orjson.dumps(note)},
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
        if size > self._limit or taken[-1]["type"] != "http.request":
            return taken
        body = _body_of(taken)
        whole = mended(body)
        return taken if whole == body else [{"type": "http.request", "body": whole}]


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
    body = _body_of(taken)
    if holding not in body:
        return {}
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return cast("dict[str, Any]", request) if isinstance(request, dict) else {}


def _body_of(taken: list[Message]) -> bytes:
    return b"".join(message.get("body", b"") for message in taken)


def _again(taken: list[Message], receive: Receive) -> Receive:
    waiting = iter(taken)

    async def next_message() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return next_message
