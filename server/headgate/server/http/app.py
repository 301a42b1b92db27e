"""The application behind the address: MCP at `/mcp`, the probes, and what every request passes on its way there."""

from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from headgate.server.gate import Gate
from headgate.server.http.guard import Guard
from headgate.server.http.known_hosts import KnownHosts
from headgate.server.http.probes import HEALTH, READY, probe_routes

PATH = "/mcp"


def http_app(gate: Gate, mcp: ASGIApp, guard: Guard | None, names: TransportSecuritySettings) -> ASGIApp:
    """The application with `mcp` in it. Without a `guard` whoever comes is served."""
    route = Route(PATH, mcp if guard is None else guard.in_front_of(mcp))
    routes = [route, *probe_routes(gate), *(() if guard is None else guard.routes())]
    return KnownHosts(Starlette(routes=routes), names, without_host=(HEALTH, READY))
