"""MCP servers over the legacy SSE transport: answers come by one long stream, requests go out as POSTs.

The SDK's own client for it takes no answer above 1 MB and sends nothing more once a POST has failed, so the line is
ours; the handshake over it is the SDK's.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import anyio
import anyio.abc
import httpx2 as httpx
import orjson
from mcp.shared.exceptions import MCPError

from headgate.proxy.connection import Connection, Open, Opening, UnavailableError
from headgate.proxy.http import MAX_EVENT, NOT_REACHED, broken_words, client_of, failure_of, was_sent
from headgate.proxy.redact import secrets_in
from headgate.proxy.rpc import LineClosedError, Rpc
from headgate.proxy.session import SessionConnection, line_closed, negotiated
from headgate.proxy.target import HttpTarget


def sse_opener(target: HttpTarget, concurrency: int) -> Open:
    """An opener for the server whose stream is at `target`, with a connection for each of `concurrency` calls."""

    @asynccontextmanager
    async def open_session(opening: Opening) -> AsyncGenerator[Connection]:
        rpc = Rpc()
        secrets = secrets_in(target.headers)
        async with client_of(target, concurrency) as client, anyio.create_task_group() as tasks:
            line = _Line(client, rpc, tasks)
            line.post_to = await tasks.start(line.listen, target.url)
            rpc.write = line.write
            try:
                async with negotiated(rpc, opening, secrets) as (_, meta):
                    yield SessionConnection(line.send, rpc.closed, meta, secrets)
            finally:
                rpc.close("headgate has closed the session")
                tasks.cancel_scope.cancel()

    return open_session


@dataclass(slots=True)
class _Line:
    """One stream of answers, and where requests are posted to."""

    client: httpx.AsyncClient
    rpc: Rpc
    tasks: anyio.abc.TaskGroup
    post_to: httpx.URL = field(default_factory=httpx.URL)

    async def send(
        self, method: str, params: dict[str, Any], _headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        try:
            return await self.rpc.request(method, params).answer()
        except LineClosedError as closed:
            raise line_closed(closed) from None
        except MCPError as error:
            raise failure_of(error) from None

    def write(self, message: bytes) -> None:
        self.tasks.start_soon(self._post, message)

    async def listen(self, url: str, *, task_status: anyio.abc.TaskStatus[httpx.URL]) -> None:
        """Read the stream to its end. Its first event says where requests go."""
        opened = False
        try:
            async with self.client.stream("GET", url, headers={"Accept": "text/event-stream"}) as response:
                if not response.is_success:
                    raise UnavailableError(f"the upstream answered with HTTP {response.status_code}")
                async for event in httpx.EventSource(response, max_event_size=MAX_EVENT):
                    if event.event == "endpoint" and not opened:
                        task_status.started(_within_origin(response.url, event.data))
                        opened = True
                    elif event.event == "message":
                        self.rpc.receive(event.data.encode())
            reason = "the upstream ended the session"
        except (httpx.TransportError, httpx.SSEError, httpx.DecodingError) as broken:
            reason = broken_words(broken, httpx.URL(url))
        if not opened:
            raise UnavailableError(reason)
        self.rpc.close(reason)

    async def _post(self, message: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        try:
            response = await self.client.post(self.post_to, content=message, headers=headers)
        except httpx.TransportError as broken:
            self._fail(message, broken_words(broken, self.post_to), sent=was_sent(broken))
            return
        if not response.is_success:
            words = f"the upstream answered with HTTP {response.status_code}"
            self._fail(message, words, sent=response.is_server_error)

    def _fail(self, message: bytes, reason: str, *, sent: bool) -> None:
        """Answer the request in `message`, if it is one, in the upstream's stead: it alone has failed."""
        identity = cast("dict[str, Any]", orjson.loads(message)).get("id")
        error = {"code": NOT_REACHED, "message": reason, "data": {"sent": sent}}
        self.rpc.receive(orjson.dumps({"jsonrpc": "2.0", "id": identity, "error": error}))


def _within_origin(stream: httpx.URL, endpoint: str) -> httpx.URL:
    """Where requests go: an upstream must not send them, with the headers that are its own, anywhere else."""
    url = stream.join(endpoint)
    if (url.scheme, url.host, url.port) != (stream.scheme, stream.host, stream.port):
        raise UnavailableError("the upstream names an address of another server for its requests")
    return url
