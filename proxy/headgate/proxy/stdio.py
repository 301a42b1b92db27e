"""MCP servers over stdio."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from mcp.shared.exceptions import MCPError

from headgate.proxy.child import MAX_LINE, MAX_UNREAD, Child, started
from headgate.proxy.connection import CallFailedError, Connection, Open, Opening, SessionGoneError
from headgate.proxy.direct import Direct
from headgate.proxy.noise import Noise
from headgate.proxy.recall import RECALL
from headgate.proxy.redact import secrets_in, secrets_in_args
from headgate.proxy.rpc import LineClosedError, Rpc
from headgate.proxy.session import KnownEra, SessionConnection, answered_with_error, line_closed, negotiated
from headgate.proxy.target import StdioTarget


def stdio_opener(target: StdioTarget, max_line: int = MAX_LINE) -> Open:
    """An opener that starts the process of `target` for each session, whose answers take `max_line` bytes at most."""
    secrets = secrets_in(target.env) | secrets_in_args(target.args) | target.secrets
    known = KnownEra(is_old=target.handshake)

    @asynccontextmanager
    async def open_session(opening: Opening) -> AsyncGenerator[Connection]:
        rpc = Rpc()
        rpc.noise = Noise(opening.upstream, secrets).heard
        async with started(target, rpc, secrets, max_line) as child:
            rpc.write, rpc.take_back = child.write, child.take_back
            line = _Line(rpc, child, secrets)
            try:
                async with negotiated(rpc, opening, secrets, known) as (session, meta):
                    yield SessionConnection(line.send, rpc.closed, meta, secrets, session, line.begin)
            finally:
                rpc.close("headgate has closed the session")

    return open_session


class _Line:
    """The way of a request to a child and back."""

    def __init__(self, rpc: Rpc, child: Child, secrets: frozenset[str]) -> None:
        self._rpc = rpc
        self._child = child
        self._secrets = secrets

    async def send(
        self, method: str, params: dict[str, Any], _headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        if not self._child.listens:
            raise SessionGoneError("the upstream is gone: it has ended")
        if self._child.unread > MAX_UNREAD:
            why = "the upstream does not read its input"
            raise CallFailedError("UPSTREAM_UNAVAILABLE", why, sent=False, transient=True)
        try:
            request = self._rpc.request(method, params)
            recall = RECALL.get()
            if recall is not None:
                recall.take_back = request.take_back
            return await request.answer()
        except (LineClosedError, MCPError) as error:
            raise self._explained(error) from None

    def begin(self, method: str, params: Mapping[str, Any], direct: Direct) -> bool:
        """Send a request without waiting for its answer; whether that was possible."""
        if not self._child.listens or self._child.unread > MAX_UNREAD:
            return False
        try:
            request = self._rpc.begin(method, params, direct)
        except LineClosedError:
            return False
        direct.carried(request.abandon, self._explained)
        return True

    def _explained(self, error: Exception) -> CallFailedError:
        """What a caller is told of what came instead of an answer."""
        if isinstance(error, LineClosedError):
            return line_closed(error)
        if isinstance(error, MCPError):
            return answered_with_error(error, self._secrets)
        return cast("CallFailedError", error)
