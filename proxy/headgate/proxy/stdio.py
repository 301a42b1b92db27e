"""MCP servers over stdio."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mcp.shared.exceptions import MCPError

from headgate.proxy.child import MAX_LINE, MAX_UNREAD, Child, started
from headgate.proxy.connection import CallFailedError, Connection, Open, Opening
from headgate.proxy.noise import Noise
from headgate.proxy.redact import secrets_in
from headgate.proxy.rpc import LineClosedError, Rpc
from headgate.proxy.session import SessionConnection, answered_with_error, line_closed, negotiated
from headgate.proxy.target import StdioTarget


def stdio_opener(target: StdioTarget, max_line: int = MAX_LINE) -> Open:
    """An opener that starts the process of `target` for each session, whose answers take `max_line` bytes at most."""
    secrets = secrets_in(target.env)

    @asynccontextmanager
    async def open_session(opening: Opening) -> AsyncGenerator[Connection]:
        rpc = Rpc()
        rpc.noise = Noise(opening.upstream, secrets).heard
        async with started(target, rpc, secrets, max_line) as child:
            rpc.write, rpc.take_back = child.write, child.take_back
            line = _Line(rpc, child)
            try:
                async with negotiated(rpc, opening, secrets) as (_, meta):
                    yield SessionConnection(line.send, rpc.closed, meta, secrets)
            finally:
                rpc.close("headgate has closed the session")

    return open_session


class _Line:
    """The way of a request to a child and back."""

    def __init__(self, rpc: Rpc, child: Child) -> None:
        self._rpc = rpc
        self._child = child

    async def send(
        self, method: str, params: dict[str, Any], _headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        if not self._child.listens:
            raise _unavailable("the upstream is gone: it has ended")
        if self._child.unread > MAX_UNREAD:
            raise _unavailable("the upstream does not read its input")
        try:
            return await self._rpc.request(method, params).answer()
        except LineClosedError as closed:
            raise line_closed(closed) from None
        except MCPError as error:
            raise answered_with_error(error) from None


def _unavailable(why: str) -> CallFailedError:
    return CallFailedError("UPSTREAM_UNAVAILABLE", why, sent=False, transient=True)
