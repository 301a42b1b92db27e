"""MCP servers over stdio."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mcp.shared.exceptions import MCPError

from headgate.proxy.child import MAX_UNREAD, started
from headgate.proxy.connection import CallFailedError, Connection, Open, Opening
from headgate.proxy.redact import secrets_in
from headgate.proxy.rpc import LineClosedError, Rpc
from headgate.proxy.session import SessionConnection, answered_with_error, line_closed, negotiated
from headgate.proxy.target import StdioTarget


def stdio_opener(target: StdioTarget) -> Open:
    """An opener that starts the process of `target` for each session."""

    @asynccontextmanager
    async def open_session(opening: Opening) -> AsyncGenerator[Connection]:
        rpc = Rpc()
        secrets = secrets_in(target.env)
        async with started(target, rpc.receive, rpc.close) as child:
            rpc.write = child.write

            async def send(
                method: str, params: dict[str, Any], _headers: Mapping[str, str] | None = None
            ) -> Mapping[str, Any]:
                if not child.listens:
                    raise CallFailedError("UPSTREAM_UNAVAILABLE", "the upstream is gone: it has ended", sent=False)
                if child.unread > MAX_UNREAD:
                    raise CallFailedError("UPSTREAM_UNAVAILABLE", "the upstream does not read its input", sent=False)
                return await _answer(rpc, method, params)

            try:
                async with negotiated(rpc, opening, secrets) as (_, meta):
                    yield SessionConnection(send, rpc.closed, meta, secrets)
            finally:
                rpc.close("headgate has closed the session")

    return open_session


async def _answer(rpc: Rpc, method: str, params: dict[str, Any]) -> Mapping[str, Any]:
    try:
        return await rpc.request(method, params).answer()
    except LineClosedError as closed:
        raise line_closed(closed) from None
    except MCPError as error:
        raise answered_with_error(error) from None
