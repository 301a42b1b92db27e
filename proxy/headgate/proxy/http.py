"""MCP servers at a URL: streamable HTTP, and the legacy SSE transport."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, cast

import anyio
import httpx2 as httpx
import orjson
from mcp.client.session import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.dispatcher import CallOptions, OnNotify, OnNotifyIntercept, OnRequest
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    encode_header_value,
)
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.transport_context import TransportContext
from mcp_types import CONNECTION_CLOSED
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from headgate.proxy.connection import CallFailedError, Connection, Open, Opening
from headgate.proxy.session import Send, SessionConnection, answered_with_error, negotiated
from headgate.proxy.target import HttpTarget

MAX_EVENT = 32 * 1024 * 1024
"""Bytes of one event of a stream; the SDK's own bound is 1 MB, less than tools answer."""
CONNECT_S = 10.0
_SPARE_CONNECTIONS = 4
"""Beside the calls in flight: the upstream's own stream, cancellations, listings."""
_NOT_REACHED = -32_003
"""The JSON-RPC code, in the range left to implementations, of a request that got no HTTP answer."""


def http_opener(target: HttpTarget, concurrency: int) -> Open:
    """An opener for the server at `target`, with a connection for each of `concurrency` calls."""

    @asynccontextmanager
    async def open_session(opening: Opening) -> AsyncGenerator[Connection]:
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def lose(reason: str) -> None:
            if not lost.done():
                lost.set_result(reason)

        async def ended() -> str:
            return await asyncio.shield(lost)

        async with _streams(target, concurrency, lose) as (read, write):
            dispatcher = _Watched(read, write, lose)
            async with negotiated(dispatcher, opening) as (session, meta), anyio.create_task_group() as tasks:
                yield SessionConnection(_sender(dispatcher, session, tasks), ended, meta)
                tasks.cancel_scope.cancel()

    return open_session


def _streams(
    target: HttpTarget, concurrency: int, lose: Callable[[str], None]
) -> AbstractAsyncContextManager[tuple[Any, Any]]:
    limits = httpx.Limits(max_connections=concurrency + _SPARE_CONNECTIONS, max_keepalive_connections=concurrency)
    timeout = httpx.Timeout(CONNECT_S, read=None)
    if target.transport == "sse":
        return sse_client(target.url, dict(target.headers), CONNECT_S, sse_read_timeout=24 * 3600.0)
    transport = _Contained(httpx.AsyncHTTPTransport(limits=limits), lose)
    client = httpx.AsyncClient(headers=dict(target.headers), timeout=timeout, limits=limits, transport=transport)
    return _streamable(target.url, client)


@asynccontextmanager
async def _streamable(url: str, client: httpx.AsyncClient) -> AsyncGenerator[tuple[Any, Any]]:
    async with client, streamable_http_client(url, http_client=client, max_sse_event_size=MAX_EVENT) as streams:
        yield streams


def _sender(dispatcher: "_Watched", session: ClientSession, tasks: anyio.abc.TaskGroup) -> Send:
    version = session.protocol_version or ""
    modern = version in MODERN_PROTOCOL_VERSIONS

    async def send(method: str, params: dict[str, Any]) -> Mapping[str, Any]:
        headers = {MCP_PROTOCOL_VERSION_HEADER: version}
        if modern:
            headers[MCP_METHOD_HEADER] = method
            if isinstance(params.get("name"), str):
                headers[MCP_NAME_HEADER] = encode_header_value(params["name"])
        return await _abandonable(tasks, dispatcher, method, params, {"headers": headers})

    return send


async def _abandonable(
    tasks: anyio.abc.TaskGroup,
    dispatcher: "_Watched",
    method: str,
    params: dict[str, Any],
    options: CallOptions,
) -> Mapping[str, Any]:
    """Send a request from a task of the session's own, so that its caller can leave at once.

    The SDK, when cancelled, tells the upstream first and may take seconds over it.
    """
    answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
    scope = anyio.CancelScope()

    async def carry() -> None:
        with scope:
            try:
                result = await dispatcher.send_raw_request(method, params, options)
                if not answer.done():
                    answer.set_result(result)
            except MCPError as error:
                if not answer.done():
                    answer.set_exception(_failure_of(error))
        if not answer.done():
            answer.set_exception(CallFailedError("UPSTREAM_ERROR", "the upstream's session has ended", sent=True))

    try:
        tasks.start_soon(carry)
    except RuntimeError:
        raise CallFailedError("UPSTREAM_UNAVAILABLE", "the upstream's session has ended", sent=False) from None
    try:
        return await answer
    except asyncio.CancelledError:
        scope.cancel()
        raise


def _failure_of(error: MCPError) -> CallFailedError:
    if error.code == CONNECTION_CLOSED:
        return CallFailedError("UPSTREAM_ERROR", "the upstream closed the connection", sent=True)
    if error.code == _NOT_REACHED:
        data: object = error.error.data
        sent = isinstance(data, dict) and bool(cast("dict[str, Any]", data).get("sent"))
        return CallFailedError("UPSTREAM_ERROR" if sent else "UPSTREAM_UNAVAILABLE", error.error.message, sent=sent)
    return answered_with_error(error)


class _Watched(JSONRPCDispatcher[TransportContext]):
    """The SDK's dispatcher, saying when its stream has ended."""

    def __init__(self, read: Any, write: Any, lose: Callable[[str], None]) -> None:
        super().__init__(read, write)
        self._lose = lose

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        try:
            await super().run(on_request, on_notify, on_notify_intercept, task_status=task_status)
        finally:
            self._lose("the upstream ended the session")


class _Contained(httpx.AsyncBaseTransport):
    """A transport whose failures stay with the request that met them.

    Left to itself, an exception that escapes here ends the SDK's whole session and every call in it.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, lose: Callable[[str], None]) -> None:
        self._inner = inner
        self._lose = lose

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._inner.handle_async_request(request)
        except httpx.TransportError as broken:
            sent = not isinstance(broken, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
            verb = "the connection broke" if sent else f"cannot connect to {request.url.host}"
            return _error_response(request, f"{verb} ({type(broken).__name__})", sent=sent)
        if response.status_code == HTTPStatus.NOT_FOUND and "mcp-session-id" in request.headers:
            self._lose("the upstream no longer knows the session")
        if request.method == "POST" and response.status_code >= HTTPStatus.BAD_REQUEST and not _is_json(response):
            await response.aclose()
            return _error_response(request, f"the upstream answered with HTTP {response.status_code}", sent=False)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def _is_json(response: httpx.Response) -> bool:
    return "json" in response.headers.get("content-type", "")


def _error_response(request: httpx.Request, message: str, *, sent: bool) -> httpx.Response:
    """An HTTP answer that the SDK takes for the JSON-RPC error of this one request."""
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": None}
    with suppress(orjson.JSONDecodeError, AttributeError, httpx.RequestNotRead):
        body["id"] = orjson.loads(request.content).get("id")
    body["error"] = {"code": _NOT_REACHED, "message": message, "data": {"sent": sent}}
    content = orjson.dumps(body)
    return httpx.Response(503, headers={"content-type": "application/json"}, content=content, request=request)
