"""The upstream inside this process behaves as one outside does."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.proxy.parts import answer, definition
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import CallFailedError, Opening
from headgate.proxy.memory import MemoryUpstream

pytestmark = in_virtual_time
OPENING = Opening("up", lambda: None)


async def slow(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    await asyncio.sleep(10)
    return answer()


async def at_once(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return answer()


async def broken(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    raise ValueError("a secret of the upstream")


async def test_it_lists_and_answers() -> None:
    upstream = MemoryUpstream([definition("slow")], {"slow": slow})
    async with upstream.open(OPENING) as connection:
        assert await connection.list_tools() == [definition("slow")]
        assert await connection.call_tool("slow", {}) == answer()


async def test_when_it_drops_calls_in_flight_end_at_once_and_later_ones_are_not_sent() -> None:
    upstream = MemoryUpstream([], {"slow": slow})
    async with upstream.open(OPENING) as connection:
        asyncio.get_running_loop().call_later(1, upstream.drop, "the plug was pulled")
        with pytest.raises(CallFailedError, match="the plug was pulled") as failed:
            await connection.call_tool("slow", {})
        assert failed.value.sent
        assert asyncio.get_running_loop().time() < 1.1
        assert await connection.closed() == "the plug was pulled"

        with pytest.raises(CallFailedError, match="the plug was pulled") as failed:
            await connection.call_tool("slow", {})
        assert not failed.value.sent


async def test_a_handler_that_raises_is_a_crash_whose_text_stays_inside() -> None:
    upstream = MemoryUpstream([], {"broken": broken})
    async with upstream.open(OPENING) as connection:
        with pytest.raises(CallFailedError) as failed:
            await connection.call_tool("broken", {})
        assert "secret" not in str(failed.value)
        assert "secret" not in await connection.closed()


async def test_a_timeout_inside_a_handler_is_not_taken_for_a_drop() -> None:
    async def impatient(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        raise TimeoutError

    upstream = MemoryUpstream([], {"impatient": impatient})
    async with upstream.open(OPENING) as connection:
        with pytest.raises(CallFailedError, match="closed the connection"):
            await connection.call_tool("impatient", {})


async def test_what_goes_beside_the_arguments_of_a_call_is_kept_for_whoever_looks() -> None:
    upstream = MemoryUpstream([], {"pay": at_once})
    async with upstream.open(OPENING) as connection:
        await connection.call_tool("pay", {})
        await connection.call_tool("pay", {}, meta={"key": "k"}, headers={"Idempotency-Key": "k"})

    assert upstream.beside == [({"key": "k"}, {"Idempotency-Key": "k"})]
