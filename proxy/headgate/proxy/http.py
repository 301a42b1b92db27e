"""MCP servers at a URL, over streamable HTTP."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, cast

import anyio
import httpx2 as httpx
import orjson
from mcp.client.session import ClientSession
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
from headgate.proxy.redact import secrets_in
from headgate.proxy.session import Send, SessionConnection, answered_with_error, negotiated
from headgate.proxy.target import HttpTarget

MAX_EVENT = 32 * 1024 * 1024
"""Bytes of one event of a stream; the SDK's own bound is 1 MB, less than tools answer."""
CONNECT_S = 10.0
_SPARE_CONNECTIONS = 4
"""Beside the calls in flight: the upstream's own stream, cancellations, listings."""
_COURTESY_S = 1.0
"""How long a notification or the end of a session may take."""
_TIMEOUTS = ("connect", "read", "write", "pool")
_LAST_WORDS_S = 0.2
_SESSION_GONE = "the upstream no longer knows the session"
NOT_REACHED = -32_003
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

        secrets = secrets_in(target.headers)
        async with _streams(target, concurrency, lose) as (read, write):
            dispatcher = _Watched(read, write, lose)
            async with negotiated(dispatcher, opening, secrets) as (session, meta), anyio.create_task_group() as tasks:
                yield SessionConnection(_sender(dispatcher, session, tasks), ended, meta, secrets)
                tasks.cancel_scope.cancel()

    return open_session


def client_of(target: HttpTarget, concurrency: int, lose: Callable[[str], None] | None = None) -> httpx.AsyncClient:
    """An HTTP client with the target's headers; with `lose`, one whose failures stay with the request that met them."""
    limits = httpx.Limits(max_connections=concurrency + _SPARE_CONNECTIONS, max_keepalive_connections=concurrency)
    timeout = httpx.Timeout(CONNECT_S, read=None)
    transport: httpx.AsyncBaseTransport = httpx.AsyncHTTPTransport(limits=limits)
    if lose is not None:
        transport = _Contained(transport, lose)
    return httpx.AsyncClient(headers=dict(target.headers), timeout=timeout, limits=limits, transport=transport)


@asynccontextmanager
async def _streams(
    target: HttpTarget, concurrency: int, lose: Callable[[str], None]
) -> AsyncGenerator[tuple[Any, Any]]:
    async with (
        client_of(target, concurrency, lose) as client,
        streamable_http_client(target.url, http_client=client, max_sse_event_size=MAX_EVENT) as streams,
    ):
        yield streams


def _sender(dispatcher: "_Watched", session: ClientSession, tasks: anyio.abc.TaskGroup) -> Send:
    version = session.protocol_version or ""
    modern = version in MODERN_PROTOCOL_VERSIONS

    async def send(method: str, params: dict[str, Any], own: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        headers = {**(own or {}), MCP_PROTOCOL_VERSION_HEADER: version}
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
        failure = CallFailedError("UPSTREAM_ERROR", "the upstream's session has ended", sent=True)
        try:
            with scope:
                result = await dispatcher.send_raw_request(method, params, options)
                if not answer.done():
                    answer.set_result(result)
        except MCPError as error:
            failure = failure_of(error)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            failure = CallFailedError("UPSTREAM_UNAVAILABLE", "the upstream's session has ended", sent=False)
        finally:
            if not answer.done():
                answer.set_exception(failure)

    try:
        tasks.start_soon(carry)
    except RuntimeError:
        raise CallFailedError("UPSTREAM_UNAVAILABLE", "the upstream's session has ended", sent=False) from None
    try:
        return await answer
    except asyncio.CancelledError:
        scope.cancel()
        raise


def failure_of(error: MCPError) -> CallFailedError:
    """What a protocol error says of a call, those made here for requests that got no HTTP answer included."""
    if error.code == CONNECTION_CLOSED:
        return CallFailedError("UPSTREAM_ERROR", "the upstream closed the connection", sent=True)
    if error.code == NOT_REACHED:
        data: object = error.error.data
        sent = isinstance(data, dict) and bool(cast("dict[str, Any]", data).get("sent"))
        return CallFailedError("UPSTREAM_ERROR" if sent else "UPSTREAM_UNAVAILABLE", error.error.message, sent=sent)
    return answered_with_error(error)


def was_sent(broken: Exception) -> bool:
    """Whether the upstream may have seen a request that ended like this."""
    return not isinstance(broken, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def broken_words(broken: Exception, url: httpx.URL) -> str:
    """What to say of a request to `url` that got no HTTP answer."""
    what = "the connection broke" if was_sent(broken) else f"cannot connect to {url.host}"
    return f"{what} ({type(broken).__name__})"


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
        if request.method != "GET" and _id_of(request) is None:
            # Nobody waits for the answer to a notification or a goodbye, but what is sent next waits behind it.
            request.extensions = {**request.extensions, "timeout": dict.fromkeys(_TIMEOUTS, _COURTESY_S)}
        try:
            response = await self._inner.handle_async_request(request)
            if request.method != "POST" or not (_is_json(response) or response.is_error):
                return response
            content = await _whole(response)
        except httpx.TransportError as broken:
            return self._failed(request, broken_words(broken, request.url), sent=was_sent(broken))
        if response.status_code == HTTPStatus.NOT_FOUND and "mcp-session-id" in request.headers:
            # What it answered may arrive first: this call at least was not executed.
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, self._lose, _SESSION_GONE)
            return self._failed(request, _SESSION_GONE, sent=False)
        if response.is_error and not _is_rpc(content):
            message = f"the upstream answered with HTTP {response.status_code}"
            # A gateway answers so for a server that may be at it all the same; a refusal of ours it is below 500.
            return self._failed(request, message, sent=response.is_server_error)
        headers = {"content-type": response.headers.get("content-type", "")}
        if "mcp-session-id" in response.headers:
            headers["mcp-session-id"] = response.headers["mcp-session-id"]
        return httpx.Response(response.status_code, headers=headers, content=content, request=request)

    def _failed(self, request: httpx.Request, message: str, *, sent: bool) -> httpx.Response:
        """An HTTP answer that the SDK takes for the JSON-RPC error of this one request."""
        error = {"code": NOT_REACHED, "message": message, "data": {"sent": sent}}
        content = orjson.dumps({"jsonrpc": "2.0", "id": _id_of(request), "error": error})
        return httpx.Response(503, headers={"content-type": "application/json"}, content=content, request=request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _whole(response: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async for part in response.aiter_bytes():
            parts.append(part)
            size += len(part)
            if size > MAX_EVENT:
                raise httpx.RemoteProtocolError(f"an answer of more than {MAX_EVENT} bytes")
    except httpx.DecodingError as broken:
        raise httpx.RemoteProtocolError(str(broken)) from None
    finally:
        await response.aclose()
    return b"".join(parts)


def _is_json(response: httpx.Response) -> bool:
    return "json" in response.headers.get("content-type", "")


def _is_rpc(content: bytes) -> bool:
    with suppress(orjson.JSONDecodeError):
        message = orjson.loads(content)
        return isinstance(message, dict) and "jsonrpc" in message and "error" in message
    return False


def _id_of(request: httpx.Request) -> object:
    """The id of the JSON-RPC request in `request`; `None` for anything else."""
    with suppress(orjson.JSONDecodeError, AttributeError, httpx.RequestNotRead):
        return orjson.loads(request.content).get("id")
    return None
