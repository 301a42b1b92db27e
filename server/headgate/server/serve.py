"""Serving over stdio, for a client that starts us; and the event loop that all serving runs on."""

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from headgate.server.beside import beside
from headgate.server.era import serve_client
from headgate.server.log import set_up_log
from headgate.server.mcp_server import mcp_server
from headgate.server.opening import open_gate
from headgate.server.recipe_faults import tell_of_faults
from headgate.server.reload import reloading
from headgate.server.settings import Settings
from headgate.server.stdio import stdio_streams

logger = logging.getLogger(__name__)

OPEN_AFTER_S = 0.05
"""How long upstreams are not opened for a client that says nothing: starting a process keeps everybody waiting."""
LOAD_AFTER_S = 0.01
"""How much later what batches need is loaded: the processes are to be on their way by then."""


async def serve_stdio(settings: Settings, *, log_json: bool = False) -> None:
    """Serve one client over stdin and stdout until it closes our stdin, or SIGTERM."""
    set_up_log(as_json=log_json)
    say_notices(settings)
    await _until_sigterm(_serve_stdin(settings))


async def _serve_stdin(settings: Settings) -> None:
    answered = asyncio.Event()
    asyncio.get_running_loop().call_later(OPEN_AFTER_S, answered.set)
    async with open_gate(settings, after=answered) as gate, stdio_streams(answered.set) as (reading, writing):
        server, changes = mcp_server(gate)
        async with (
            beside(_load_the_rest(answered)),
            beside(changes.run()),
            beside(tell_of_faults(gate)),
            reloading(gate),
        ):
            await serve_client(server, reading, writing)


async def _load_the_rest(answered: asyncio.Event) -> None:
    """Load what batches need while upstreams are starting: no answer waits for it, and the first batch need not."""
    await answered.wait()
    await asyncio.sleep(LOAD_AFTER_S)
    import headgate.server.own_calls  # noqa: F401, PLC0415 # pyright: ignore[reportUnusedImport]


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


def say_notices(settings: Settings) -> None:
    """Log what the settings ask for in vain."""
    for notice in settings.notices:
        logger.warning("%s", notice)
