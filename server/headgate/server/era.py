"""One client over a pair of streams, served in the era of the protocol that it opens with.

The SDK finds the era out too, and from then on has a task and a queue before every message of the session. So the
first request is looked at here, and the SDK's loop for the handshake era gets the stream as it is.
"""

from collections.abc import Mapping
from typing import Any, cast

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.runner import serve_loop
from mcp.shared.exceptions import MCPError

from headgate.server.stdio import LinesIn, LinesOut

_REFUSED = (
    "this connection serves the handshake era of the protocol: requests with the envelope of 2026-07-28 do not fit"
)


async def serve_client(server: Server[Any], reading: LinesIn, writing: LinesOut) -> None:
    """Serve one client until it has gone."""
    options = server.create_initialization_options()
    opening = await reading.opening()
    if opening is not None and opening.method != "initialize" and has_envelope(opening.params):
        await server.run(reading, writing, options)
        return
    server.middleware.append(refuse_envelopes)
    async with server.lifespan(server) as state:
        await serve_loop(server, reading, writing, lifespan_state=state, init_options=options)


async def refuse_envelopes(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Let no request of the newer era into a session of the handshake era."""
    if ctx.method != "initialize" and has_envelope(ctx.params):
        raise MCPError(types.INVALID_REQUEST, _REFUSED)
    return await call_next(ctx)


def has_envelope(params: Mapping[str, Any] | None) -> bool:
    """Whether a request says which version it is of, as only those of the newer era do."""
    meta: object = (params or {}).get("_meta")
    return isinstance(meta, Mapping) and types.PROTOCOL_VERSION_META_KEY in cast("Mapping[str, object]", meta)
