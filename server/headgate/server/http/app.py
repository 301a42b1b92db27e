"""The application behind the address: MCP at `/mcp`, the probes, and what every request passes on its way there."""

from typing import Any

from mcp.server.lowlevel.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from headgate.server.gate import Gate
from headgate.server.http.guard import Guard
from headgate.server.http.known_hosts import KnownHosts
from headgate.server.http.probes import HEALTH, READY, probe_routes
from headgate.server.http.sessions import Sessions

PATH = "/mcp"


def http_app(gate: Gate, server: Server[Any], guard: Guard | None, names: TransportSecuritySettings) -> ASGIApp:
    """`server` over streamable HTTP, in either era. Who opens a session has one; else each request stands for itself.

    Without a `guard` whoever comes is served.
    """
    mcp = Sessions(server, gate.settings.serve.body_limit)
    route = Route(PATH, mcp if guard is None else guard.in_front_of(mcp))
    routes = [route, *probe_routes(gate)]
    app = Starlette(routes=[*routes, *(guard.routes() if guard else ())], lifespan=lambda _app: mcp.run())
    return KnownHosts(app, names, without_host=(HEALTH, READY))
