"""Before a person's batch runs, the upstreams that it needs may take their time to start."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import Connection, Open, Opening
from headgate.proxy.memory import MemoryUpstream
from headgate.server.cli.ready import until_known
from headgate.server.opening import gate_over
from headgate.server.settings import HeadgateSettings, Settings
from headgate.tools.rules import UpstreamRules

pytestmark = in_virtual_time


def starting(seconds: float, *, broken: bool = False) -> Open:
    """An upstream with one tool, `get`, that takes so long to come up, or to fail."""

    @asynccontextmanager
    async def opened(opening: Opening) -> AsyncGenerator[Connection]:
        await asyncio.sleep(seconds)
        if broken:
            raise OSError("it fell over")
        async with MemoryUpstream([{"name": "get"}], {}).open(opening) as connection:
            yield connection

    return opened


async def waited(openers: dict[str, Open], request: dict[str, Any]) -> int:
    """How many seconds it took until `request` could run."""
    rules = UpstreamRules()
    async with gate_over(Settings(HeadgateSettings(), {}), {name: (rules, it) for name, it in openers.items()}) as gate:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await until_known(gate, request)
        return round(loop.time() - began)


def batch(*tools: str) -> dict[str, Any]:
    return {"calls": [{"tool": tool} for tool in tools]}


async def test_an_upstream_that_is_needed_is_waited_for() -> None:
    assert await waited({"soon": starting(1), "late": starting(20)}, batch("soon__get", "late.get")) == 20


async def test_an_upstream_that_is_not_needed_is_not() -> None:
    assert await waited({"soon": starting(1), "late": starting(20)}, batch("soon__get")) == 1


async def test_a_bare_name_may_be_anyone_s() -> None:
    assert await waited({"soon": starting(1), "late": starting(20)}, batch("lookup")) == 20


async def test_one_that_failed_is_not_waited_for_again() -> None:
    assert await waited({"bad": starting(2, broken=True), "late": starting(20)}, batch("bad__get")) == 2


async def test_nothing_is_waited_for_longer_than_a_minute() -> None:
    assert await waited({"late": starting(500)}, batch("late__get")) == 60


@pytest.mark.parametrize("request_", [{}, {"calls": "[]"}, {"calls": [7, {}, {"tool": 7}]}])
async def test_a_request_that_names_no_tool_goes_on_to_be_refused_at_once(request_: dict[str, Any]) -> None:
    assert await waited({"late": starting(20)}, request_) == 0
