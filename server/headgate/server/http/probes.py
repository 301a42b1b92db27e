"""What an orchestrator asks: whether the process is up, and whether it can do anything yet. Nothing else is told."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from headgate.server.gate import Gate

HEALTH, READY = "/healthz", "/readyz"


def probe_routes(gate: Gate) -> list[Route]:
    """The routes of both."""

    async def healthy(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_request: Request) -> Response:
        states = [upstream.state for upstream in gate.upstreams()]
        if states and "ready" not in states:
            return PlainTextResponse("no upstream is up yet\n", 503, {"retry-after": "1"})
        return PlainTextResponse("ok\n")

    return [Route(HEALTH, healthy), Route(READY, ready)]
