"""A gate behind an open socket: uvicorn with our own connections, our own application, and our own end."""

import contextlib
import logging
import socket
from functools import partial
from typing import Any

import uvicorn

from headgate.server.beside import beside
from headgate.server.gate import Gate
from headgate.server.http.app import PATH, http_app
from headgate.server.http.connections import KEEP_ALIVE_S, Places, TimedConnection, affordable
from headgate.server.http.guard import Guard
from headgate.server.http.known_hosts import known_names
from headgate.server.http.sessions import Sessions
from headgate.server.mcp_server import mcp_server

logger = logging.getLogger(__name__)


class HttpServer:
    """Serves a gate at a listening socket."""

    def __init__(self, gate: Gate, listener: socket.socket, *, no_auth: bool) -> None:
        """With `no_auth` whoever comes is served, else whoever shows a token that the settings know."""
        host, port = listener.getsockname()[:2]
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{port}{PATH}"
        serve = gate.settings.serve
        guard = None if no_auth else Guard(gate)
        server, self._changes = mcp_server(gate) if guard is None else mcp_server(gate, guard.caller_of)
        self._sessions = Sessions(server, serve.body_limit)
        connection: Any = partial(TimedConnection, Places(affordable(serve.connections)))
        self._listener = listener
        self._server = uvicorn.Server(
            uvicorn.Config(
                http_app(gate, self._sessions, guard, known_names(serve, name, port)),
                http=connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=max(round(serve.drain_s), 1),
            )
        )
        # uvicorn would handle signals itself and, when done, send them to the process again: that ends it there and
        # then, with writes in flight and upstreams still running.
        self._server.capture_signals = contextlib.nullcontext  # pyright: ignore[reportAttributeAccessIssue]

    async def serve(self) -> None:
        """Serve until `stop`, and until the requests in flight are answered or have had their time."""
        async with self._sessions.run(), beside(self._changes.run()):
            await self._server.serve([self._listener])

    def stop(self) -> None:
        """Take no more requests. Asked a second time, wait for none either."""
        self._server.force_exit = self._server.should_exit
        self._server.should_exit = True
        self._changes.close()
        self._sessions.close()
        left = len(self._server.server_state.tasks)
        if left and not self._server.force_exit:
            logger.info("stopping when %d requests have been answered; asked again, at once", left)
