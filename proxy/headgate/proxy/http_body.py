"""Reading what an upstream answers over HTTP, bounded while it arrives and while it is decompressed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import httpx2 as httpx

from headgate.proxy.backpressure import Allowance
from headgate.proxy.connection import CallFailedError
from headgate.proxy.event_stream import Event, EventCutter, TooLargeError
from headgate.proxy.inflate import MAX_LAYERS, BadBodyError, Inflater, unpacked
from headgate.proxy.line import Line
from headgate.proxy.rpc import megabytes

ENCODINGS = "gzip, deflate"
"""What upstreams are told that we decompress; another encoding is refused."""
_KNOWN = frozenset(("gzip", "x-gzip", "deflate"))
_SHORT = 64 * 1024
_PART = 64 * 1024
"""Bytes of a body that are kept as one: a single buffer that grows to megabytes is copied again and again."""
_PATIENCE_S = 1.0
_SLICE = 4 * 1024
"""Bytes of events that are looked at before it is asked whether that is too much: they can be as many blank lines."""
EVENT, _LINES_AN_EVENT = 3, 4
"""How much more than a line over stdio an event costs, and how many lines one has."""
_TURN = 100
"""Chunks of a body after which everybody else has a turn: they can be of one byte each, and thousands come at once."""
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
    size, latest = 0, bytearray()  # of pieces of a few bytes each a list would take ten times their size
    async with aclosing(_pieces(response, limit)) as pieces:
        async for piece in pieces:
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            latest += piece
            if len(latest) >= _PART:
                parts.append(bytes(latest))
                latest.clear()
    return b"".join((*parts, latest))


async def drained(response: httpx.Response) -> bytes:
    """What can be had of a short body without much waiting, so that its connection can be used again."""
    with suppress(httpx.HTTPError, CallFailedError, TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            return await whole_body(response, _SHORT)
    return b""


class Pauses:
    """What the streams of one session keep to, so that one that is full of news does not take up everybody's time."""

    __slots__ = ("_allowance", "_line", "_weighed")

    def __init__(self, line: Line) -> None:
        """`line` weighs what comes in."""
        self._allowance = Allowance()
        self._line = line
        self._weighed = line.unasked

    async def pause(self, lines: int, *, awaited: bool) -> None:
        """Let everybody else go on for a while, if too much has come in, so many lines that were no event included."""
        weight, self._weighed = EVENT * (self._line.unasked - self._weighed) + lines, self._line.unasked
        pause_s = self._allowance.pause_s(weight, awaited=awaited)
        if pause_s:
            await asyncio.sleep(pause_s)


async def events_of(
    response: httpx.Response, limit: int, pauses: Pauses, *, awaited: bool = True, drain: bool = False
) -> AsyncGenerator[Event]:
    """The events in `response`; each piece of data is `limit` bytes at most. `awaited` is whether one of them is.

    With `drain`, one that is larger is let go and comes as an event that says so; without, it ends the stream.

    Raises:
        CallFailedError: One is too large, or the stream encoded in a way that was not asked for.
        httpx.HTTPError: The stream broke off, or cannot be decompressed.

    """
    cutter = EventCutter(limit, drain=drain)
    try:
        async with aclosing(_pieces(response)) as pieces:
            async for piece in pieces:
                whole = b"\n" not in piece and b"\r" not in piece
                step = len(piece) if whole else _SLICE
                for start in range(0, len(piece), step):
                    part = piece[start : start + step]
                    lines = 0 if whole else part.count(b"\n") + part.count(b"\r")
                    for event in cutter.feed(part):
                        yield event
                        lines -= _LINES_AN_EVENT
                        await pauses.pause(0, awaited=awaited)
                    await pauses.pause(max(0, lines), awaited=awaited)
    except TooLargeError:
        raise too_large(limit) from None


def too_large(limit: int) -> CallFailedError:
    """The failure of a call whose answer is too large to be taken in."""
    words = f"its answer is too large: {megabytes(limit)} is the limit"
    return CallFailedError("RESULT_TOO_LARGE", words, sent=True)


async def _pieces(response: httpx.Response, limit: int | None = None) -> AsyncGenerator[bytes]:
    """What comes in, unpacked. With `limit` it is a body, which has an end, and packed has so many bytes at most."""
    layers = _layers(response)
    taken = since = count = 0
    try:
        async for packed in response.aiter_raw():
            taken += len(packed)
            if limit is not None and taken > limit:
                raise too_large(limit)
            for piece in unpacked(layers, packed):
                yield piece
                since += len(piece)
                if since >= _BREATH:
                    since = 0
                    await asyncio.sleep(_BREATH_S)
            count += 1
            if count % _TURN == 0:
                await asyncio.sleep(0)
        for layer in layers if limit is not None else ():
            layer.check_end()
    except BadBodyError:
        raise httpx.DecodingError("it cannot be unpacked") from None


def _layers(response: httpx.Response) -> list[Inflater]:
    """What `response` is packed in, the outermost first."""
    named = [one.strip().lower() for one in response.headers.get("content-encoding", "").split(",")]
    packed = [one for one in named if one not in {"", "identity"}]
    if len(packed) > MAX_LAYERS or not _KNOWN.issuperset(packed):
        words = "its answer is compressed in a way that was not asked for"
        raise CallFailedError("UPSTREAM_ERROR", words, sent=True)
    return [Inflater(gzip=one != "deflate") for one in reversed(packed)]
