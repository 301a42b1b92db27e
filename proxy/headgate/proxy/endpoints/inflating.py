"""Bodies of HTTP responses, bounded while they are read and unpacked: a bomb is never inflated."""

import zlib
from collections.abc import AsyncIterable

MAX_BODY = 32 * 1024 * 1024
"""Bytes of one answer, unpacked."""
ACCEPTED = "gzip, deflate"
_PIECE = 256 * 1024
"""Bytes that are unpacked at a time."""
_GZIP = 31
_ZLIB = 15
_HEAD = 2
"""Bytes that tell whether there is a frame, which zlib says is a multiple of 31."""


class TooLargeError(Exception):
    """A body is larger than may be read."""


class BadBodyError(Exception):
    """A body cannot be unpacked. Its text says why, in words for a sentence that begins with "it answered with"."""


async def body_of(parts: AsyncIterable[bytes], encoding: str, most: int = MAX_BODY) -> bytes:
    """The whole of `parts`, unpacked as the Content-Encoding `encoding` says.

    Raises:
        TooLargeError: It is more than `most` bytes.
        BadBodyError: It is packed in a way that was not asked for, or is damaged.

    """
    unpack = _unpacker(encoding.strip().lower())
    whole = bytearray()
    async for part in parts:
        if unpack is None:
            whole += part
        else:
            unpack.feed(part, whole, most)
        if len(whole) > most:
            raise TooLargeError
    if unpack is not None:
        unpack.end()
    return bytes(whole)


def _unpacker(encoding: str) -> "_Unpacker | None":
    match encoding:
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return _Unpacker(_GZIP)
        case "deflate":
            return _Unpacker(_ZLIB)
        case _:
            # One encoding within another is how a bomb is hidden in a bomb: nobody was asked for that.
            raise BadBodyError("a Content-Encoding that it was not asked for")


class _Unpacker:
    def __init__(self, window: int) -> None:
        self._window = window
        self._stream = zlib.decompressobj(window)
        self._head = b""
        self._begun = False

    def feed(self, part: bytes, whole: bytearray, most: int) -> None:
        """Unpack `part` onto `whole`, and stop soon after it has become longer than `most`."""
        if not self._begun:
            part = self._head = self._head + part
            if len(part) < _HEAD:
                return
            self._begin(part)
        while part and len(whole) <= most:
            if self._stream.eof:
                if self._window != _GZIP:
                    return
                self._stream = zlib.decompressobj(self._window)  # a file of gzip may be several, one after another
            try:
                whole += self._stream.decompress(part, _PIECE)
            except zlib.error:
                raise BadBodyError("a body that cannot be unpacked") from None
            part = self._stream.unconsumed_tail or self._stream.unused_data

    def _begin(self, head: bytes) -> None:
        self._begun = True
        if self._window == _ZLIB and (head[0] & 15 != zlib.DEFLATED or int.from_bytes(head[:_HEAD]) % 31):
            self._stream = zlib.decompressobj(-_ZLIB)  # "deflate" without its frame, as some servers have it

    def end(self) -> None:
        if self._head and not (self._begun and self._stream.eof):
            raise BadBodyError("a body that ends in its middle")
