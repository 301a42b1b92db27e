"""The event loops that headgate runs on, for tests with real processes and sockets."""

import sys
from typing import Any

import pytest


def _loops() -> list[Any]:
    loops: list[Any] = [pytest.param("asyncio", id="asyncio")]
    if sys.platform != "win32":
        import uvloop

        loops.append(pytest.param(("asyncio", {"loop_factory": uvloop.new_event_loop}), id="uvloop"))
    return loops


on_each_loop = pytest.mark.parametrize("anyio_backend", _loops())
