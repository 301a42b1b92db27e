"""Streams of events, and what they may take of everybody's time. In virtual time, where work takes none."""

import asyncio
from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest
from tests.virtual_time import in_virtual_time

from headgate.proxy.backpressure import FREE_S, LONG_PAUSE_S, PART, PAUSE_S, weight_of
from headgate.proxy.http_body import EVENT, Pauses, events_of, whole_body
from headgate.proxy.rpc import Rpc

pytestmark = in_virtual_time
PIECE = 64 * 1024
BREATHS_S = 0.05
"""For how long 2 MB make everybody breathe, whatever is in them."""


def response(body: bytes) -> httpx.Response:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), PIECE):
            yield body[start : start + PIECE]

    return httpx.Response(200, content=pieces())


async def reading_s(body: bytes, weight: int = 0, *, awaited: bool = True) -> tuple[int, float]:
    """How many events there are, each of which weighs so much, and how long they are read."""
    line, loop = Rpc(), asyncio.get_running_loop()
    began, count = loop.time(), 0
    async for _ in events_of(response(body), 8_000_000, Pauses(line), awaited=awaited):
        line.unasked += weight
        count += 1
    return count, loop.time() - began


def is_paid(seconds: float, weight: float, pause_s: float) -> bool:
    """Whether there was a pause for each part of it, but for what became free meanwhile."""
    return weight / (PART / pause_s + PART / FREE_S) * 0.95 < seconds < weight / PART * pause_s * 1.05


async def test_answers_however_many_are_read_without_a_pause() -> None:
    count, seconds = await reading_s(b"event: message\nid: 7\ndata: {}\n\n" * 50_000)
    assert count == 50_000
    assert seconds < BREATHS_S


async def test_one_long_answer_is_read_without_a_pause() -> None:
    count, seconds = await reading_s(b"data: " + b"x" * 2_000_000 + b"\n\n")
    assert count == 1
    assert seconds < BREATHS_S


async def test_news_is_paid_for_with_pauses_and_longer_ones_where_nothing_is_awaited() -> None:
    news = b"data: {}\n\n" * 5_000
    weight = 5_000 * EVENT * weight_of(b"{}")
    for awaited, pause_s in ((True, PAUSE_S), (False, LONG_PAUSE_S)):
        count, seconds = await reading_s(news, weight_of(b"{}"), awaited=awaited)
        assert count == 5_000
        assert is_paid(seconds, weight, pause_s)


@pytest.mark.parametrize("idle", [b"\n", b"\r", b":\n", b"data: {}\n"])
async def test_lines_that_are_no_event_are_paid_for_too(idle: bytes) -> None:
    count, seconds = await reading_s(idle * 100_000)
    assert count <= 1
    assert is_paid(seconds, 100_000, PAUSE_S)


async def test_a_body_in_chunks_of_a_byte_leaves_everybody_else_their_turns() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b"x"

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        beside = tasks.create_task(others())
        assert await whole_body(httpx.Response(200, content=pieces()), 10_000) == b"x" * 10_000
        beside.cancel()
    assert turns >= 100
