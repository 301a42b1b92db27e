"""One client over stdio, served in the era of the protocol that it opens with.

The SDK finds the era out too, and from then on has a task and a queue before every message of the session. So the
first request is looked at here, and the SDK's loop for the handshake era gets the stream as it is, less the calls that
need no loop.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.runner import serve_connection
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.transport_context import TransportContext

from headgate.server.direct.calls import Calls
from headgate.server.direct.handshake import Handshake
from headgate.server.direct.request import Era
from headgate.server.mcp_server import McpServer
from headgate.server.plain_calls import has_envelope
from headgate.server.stdio import LinesIn, LinesOut

_REFUSED = (
    "this connection serves the handshake era of the protocol: requests with the envelope of 2026-07-28 do not fit"
)


async def serve_client(server: McpServer, reading: LinesIn, writing: LinesOut) -> None:
    """Serve one client until it has gone."""
    options = server.create_initialization_options()
    reading.refused = writing.answer
    opening = await reading.opening()
    if opening is not None and opening.method != "initialize" and has_envelope(opening.params):
        # Imported here: a client of the handshake era need not wait for it.
        from headgate.server.direct.envelopes import Envelopes  # noqa: PLC0415

        async with _direct(server, Envelopes(server, writing), reading, writing):
            await server.run(reading, writing, options)
        return
    server.middleware.append(refuse_envelopes)
    dispatcher = JSONRPCDispatcher[TransportContext](reading, writing, inline_methods=frozenset({"initialize"}))
    connection = Connection.for_loop(dispatcher)
    async with server.lifespan(server) as state, _direct(server, Handshake(connection), reading, writing):
        await serve_connection(server, dispatcher, connection=connection, lifespan_state=state, init_options=options)


@asynccontextmanager
async def _direct(server: McpServer, era: Era, reading: LinesIn, writing: LinesOut) -> AsyncGenerator[None]:
    """Answer plain calls without the SDK's loop for as long as the context is open."""
    if server.front is None:
        yield
        return
    async with asyncio.TaskGroup() as tasks:
        calls = Calls(server.front, era, reading, writing, tasks)
        try:
            yield
        finally:
            calls.close()


async def refuse_envelopes(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Let no request of the newer era into a session of the handshake era."""
    if ctx.method != "initialize" and has_envelope(ctx.params):
        raise MCPError(types.INVALID_REQUEST, _REFUSED)
    return await call_next(ctx)
