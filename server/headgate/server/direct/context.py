"""What the SDK's parts know of a request that its loop has not seen."""

from collections.abc import Mapping
from typing import Any

import anyio
import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.shared.dispatcher import CallOptions, Outbound
from mcp.shared.message import MessageMetadata
from mcp.shared.transport_context import TransportContext

Context = ServerRequestContext[Any, Any]

_LINE = TransportContext(kind="stdio", can_send_request=True)


def context_of(
    connection: Connection, identity: types.RequestId, params: dict[str, Any], meta: types.RequestParamsMeta | None
) -> Context:
    """The context of a `tools/call` over `connection`; `meta` is its `_meta` in the SDK's words."""
    return ServerRequestContext(
        session=ServerSession(_Inbound(connection.outbound, identity, meta), connection, request_meta=meta),
        lifespan_context=None,
        method="tools/call",
        params=params,
        request_id=identity,
        meta=meta,
        protocol_version=connection.protocol_version,
    )


class _Inbound:
    """What the SDK's session knows of one request: how the client is reached as part of it."""

    __slots__ = ("_meta", "_outbound", "request_id")

    transport = _LINE
    can_send_request = True
    message_metadata: MessageMetadata = None

    def __init__(self, outbound: Outbound, request_id: types.RequestId, meta: types.RequestParamsMeta | None) -> None:
        """What goes out does so over the line that all requests share."""
        self._outbound = outbound
        self.request_id = request_id
        self._meta = meta

    @property
    def cancel_requested(self) -> anyio.Event:
        """Nobody waits for it: there is no handler."""
        return anyio.Event()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        return await self._outbound.send_raw_request(method, params, opts)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        await self._outbound.notify(method, params, opts)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        token = None if self._meta is None else self._meta.get("progress_token")
        if token is not None:
            told = {"progressToken": token, "progress": progress, "total": total, "message": message}
            said = {key: value for key, value in told.items() if value is not None}
            await self._outbound.notify("notifications/progress", said)
