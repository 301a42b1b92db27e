"""Serving over HTTP as a process: from the address to the signal that ends it."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import headgate.server.own_calls  # noqa: F401 - who serves many has it ready # pyright: ignore[reportUnusedImport]
from headgate.server.beside import beside
from headgate.server.http.server import HttpServer
from headgate.server.log import set_up_log
from headgate.server.opening import open_gate
from headgate.server.recipe_faults import tell_of_faults
from headgate.server.reload import reloading
from headgate.server.serve import say_notices
from headgate.server.settings import Settings

logger = logging.getLogger(__name__)


async def serve_http(settings: Settings, host: str, port: int, *, no_auth: bool, log_json: bool = False) -> None:
    """Serve streamable HTTP at `http://HOST:PORT/mcp` until SIGINT or SIGTERM.

    With `no_auth` whoever comes is served, else whoever shows a token that the settings know.
    """
    set_up_log(as_json=log_json)
    say_notices(settings)
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        async with open_gate(settings) as gate, beside(tell_of_faults(gate)), reloading(gate):
            server = HttpServer(gate, listener, no_auth=no_auth)
            logger.info("serving at %s", server.url)
            with _asked_by_signal(server.stop):
                await server.serve()


@contextmanager
def _asked_by_signal(stop: Callable[[], None]) -> Generator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)
