"""Reading what an upstream answers over HTTP, bounded while it arrives and while it is decompressed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import httpx2 as httpx

from headgate.proxy.connection import CallFailedError
from headgate.proxy.event_stream import Event, EventCutter, TooLargeError
from headgate.proxy.rpc import megabytes

ENCODINGS = "gzip, deflate"
"""What upstreams are told that we decompress; another encoding is refused."""
_SHORT = 64 * 1024
_PATIENCE_S = 1.0
_EVENTS_A_TURN, _PAUSE_S = 50, 0.005
_BREATH, _BREATH_S = 256 * 1024, 0.003
"""After so many bytes everybody else goes on for so long: a small body can decompress to a large one."""


async def whole_body(response: httpx.Response, limit: int) -> bytes:
    """The body of `response`.

    Raises:
        CallFailedError: It is larger than `limit`, or encoded in a way that was not asked for.
        httpx.HTTPError: It broke off, or cannot be decompressed.

    """
    declared = response.headers.get("content-length", "")
    if declared.isdigit() and (len(declared) > 15 or int(declared) > limit):
        raise too_large(limit)
    parts: list[bytes] = []
    size = 0
    async with aclosing(_pieces(response)) as pieces:
        async for piece in pieces:
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            parts.append(piece)
    return b"".join(parts)


async def drained(response: httpx.Response) -> bytes:
    """What can be had of a short body without much waiting, so that its connection can be used again."""
    with suppress(httpx.HTTPError, CallFailedError, TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            return await whole_body(response, _SHORT)
    return b""


class Pauses:
    """What the streams of one session keep to, so that one that is full of news does not take up everybody's time.

    After so many events a stream waits, and those of one session wait in turn: together they get a small share.
    """

    __slots__ = ("_turn",)

    def __init__(self) -> None:
        """Nobody waits."""
        self._turn = asyncio.Lock()

    async def pause(self) -> None:
        """Let everybody else go on for a while."""
        async with self._turn:
            await asyncio.sleep(_PAUSE_S)


async def events_of(
    response: httpx.Response, limit: int, pauses: Pauses, *, drain: bool = False
) -> AsyncGenerator[Event]:
    """The server-sent events of `response`, each of `limit` bytes at most; with `drain`, larger ones are let go.

    Raises:
        CallFailedError: One is too large, or the stream encoded in a way that was not asked for.
        httpx.HTTPError: The stream broke off, or cannot be decompressed.

    """
    cutter = EventCutter(limit, drain=drain)
    since = 0
    try:
        async with aclosing(_pieces(response)) as pieces:
            async for piece in pieces:
                for event in cutter.feed(piece):
                    since += 1
                    if since > _EVENTS_A_TURN:
                        since = 0
                        await pauses.pause()
                    yield event
    except TooLargeError:
        raise too_large(limit) from None


def too_large(limit: int) -> CallFailedError:
    """The failure of a call whose answer is too large to be taken in."""
    words = f"its answer is too large: {megabytes(limit)} is the limit"
    return CallFailedError("RESULT_TOO_LARGE", words, sent=True)


async def _pieces(response: httpx.Response) -> AsyncGenerator[bytes]:
    encoding = response.headers.get("content-encoding", "identity").lower()
    if {one.strip() for one in encoding.split(",")} - {"gzip", "deflate", "identity"}:
        words = "its answer is compressed in a way that was not asked for"
        raise CallFailedError("UPSTREAM_ERROR", words, sent=True)
    since = 0
    async for piece in response.aiter_bytes():
        yield piece
        since += len(piece)
        if since >= _BREATH:
            since = 0
            await asyncio.sleep(_BREATH_S)
