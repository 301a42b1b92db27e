"""The application behind the address: MCP at `/mcp`, the probes, and what every request passes on its way there."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from headgate.server.gate import Gate
from headgate.server.http.guard import Guard
from headgate.server.http.known_hosts import KnownHosts
from headgate.server.http.probes import HEALTH, READY, probe_routes

PATH = "/mcp"


def http_app(gate: Gate, server: Server[Any], guard: Guard | None, names: TransportSecuritySettings) -> ASGIApp:
    """`server` over streamable HTTP, in either era, without sessions: each request stands for itself.

    Without a `guard` whoever comes is served.
    """
    manager = StreamableHTTPSessionManager(server, stateless=True, max_request_body_size=gate.settings.serve.body_limit)
    mcp: ASGIApp = StreamableHTTPASGIApp(manager)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with manager.run():
            yield

    # A GET would open a stream on which nothing ever comes: there is no session that it could belong to.
    route = Route(PATH, mcp if guard is None else guard.in_front_of(mcp), methods=["POST"])
    routes = [route, *probe_routes(gate)]
    app = Starlette(routes=[*routes, *(guard.routes() if guard else ())], lifespan=lifespan)
    return KnownHosts(app, names, without_host=(HEALTH, READY))
