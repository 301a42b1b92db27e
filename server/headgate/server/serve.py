"""Serving: over stdio for a client that starts us, over streamable HTTP for those that connect."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from headgate.server.gate import open_gate
from headgate.server.log import set_up_log
from headgate.server.mcp_server import initialization_options, mcp_server
from headgate.server.recipe_faults import tell_of_faults
from headgate.server.settings import Settings
from headgate.server.stdio import stdio_streams

if TYPE_CHECKING:
    import uvicorn

logger = logging.getLogger(__name__)

MAX_BODY = 16 * 1024 * 1024
"""Bytes of one HTTP request."""
LAST_ANSWERS_S = 2
"""How long requests may still be answered once the HTTP server is to stop; a subscription would go on for ever."""
_HTTP_PORT = 80
"""The port that clients leave out of the Host header."""


async def serve_stdio(settings: Settings, *, log_json: bool = False) -> None:
    """Serve one client over stdin and stdout until it closes our stdin, or SIGTERM."""
    set_up_log(as_json=log_json)
    _say_notices(settings)
    await _until_sigterm(_serve_stdin(settings))


async def _serve_stdin(settings: Settings) -> None:
    async with open_gate(settings) as gate, stdio_streams() as (reading, writing):
        server, changes = mcp_server(gate)
        async with _beside(changes.run()), _beside(tell_of_faults(gate)):
            await server.run(reading, writing, initialization_options(server))


async def serve_http(settings: Settings, host: str, port: int, *, log_json: bool = False) -> None:
    """Serve streamable HTTP at `http://HOST:PORT/mcp` until SIGINT or SIGTERM.

    There are no sessions: each request stands for itself, in either era of the protocol.
    """
    import uvicorn  # noqa: PLC0415 - only here, so that stdio starts without it
    from mcp.server.transport_security import TransportSecuritySettings  # noqa: PLC0415

    set_up_log(as_json=log_json)
    _say_notices(settings)
    name = f"[{host}]" if ":" in host else host
    names = ["127.0.0.1", "localhost", "[::1]"] if host in ("127.0.0.1", "localhost", "::1") else [name]
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        port = listener.getsockname()[1]
        hosts = [f"{name}:{port}" for name in names] + (names if port == _HTTP_PORT else [])
        async with open_gate(settings) as gate:
            server, changes = mcp_server(gate)
            app = server.streamable_http_app(
                stateless_http=True,
                max_request_body_size=MAX_BODY,
                host=host,
                transport_security=TransportSecuritySettings(
                    allowed_hosts=hosts,
                    allowed_origins=[f"{scheme}://{name}" for scheme in ("http", "https") for name in hosts],
                ),
            )
            config = uvicorn.Config(
                app, log_config=None, lifespan="on", ws="none", timeout_graceful_shutdown=LAST_ANSWERS_S
            )
            async with _beside(changes.run()), _beside(tell_of_faults(gate)):
                logger.info("serving at http://%s:%d/mcp", name, port)
                await _until_asked_to_stop(uvicorn.Server(config), listener)


def run(serving: Coroutine[Any, Any, None], settings: Settings) -> None:
    """Run `serve_stdio` or `serve_http` on the event loop that the settings ask for.

    `auto` is uvloop where there is one: batches of 100 no-op reads ran 1.1 to 1.8 times as fast on it.
    """
    factory = None
    if sys.platform != "win32" and settings.headgate.event_loop != "asyncio":
        import uvloop  # noqa: PLC0415 - not there on Windows

        factory = uvloop.new_event_loop
    _spare_the_collector()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serving)


def _spare_the_collector() -> None:
    """Keep what is loaded by now, which stays anyway, out of every later garbage collection.

    Looking through the SDK's models again and again cost batches of 1,000 calls two thirds of their speed.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run `work` for as long as the context is open."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        try:
            yield
        finally:
            task.cancel()


async def _until_sigterm(serving: Coroutine[Any, Any, None]) -> None:
    """Serve until done, or until SIGTERM asks for an orderly end."""
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(serving)
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        finally:
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(signal.SIGTERM)


async def _until_asked_to_stop(server: "uvicorn.Server", listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; a second one does not wait for what is still to be answered.

    uvicorn would handle the signal itself and, when done, send it to the process again: that ends it there and then,
    with writes in flight and upstreams still running.
    """
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    server.capture_signals = contextlib.nullcontext  # pyright: ignore[reportAttributeAccessIssue]
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
    try:
        await server.serve([listener])
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)


def _say_notices(settings: Settings) -> None:
    for notice in settings.notices:
        logger.warning("%s", notice)
