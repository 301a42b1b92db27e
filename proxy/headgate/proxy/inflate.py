"""Compressed bodies, unpacked piece by piece: never much at once, and to their end. Pure: no I/O.

What unpacks bodies in httpx takes one that is cut off, and the first of several parts, for a whole one, and holds on to
whatever comes behind its end.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

PIECE = 1024 * 1024
"""Bytes that are unpacked at a time."""
MAX_LAYERS = 5
_GZIP = b"\x1f\x8b"


class BadBodyError(ValueError):
    """A body is not packed as it says, or ends too early."""


class Inflater:
    """One layer of gzip or deflate."""

    def __init__(self, *, gzip: bool) -> None:
        """With `gzip`, of one member after the other; else of zlib's, or of the bare data that some servers send."""
        self._gzip = gzip
        self._engine: Any = None
        self._begin = b""
        """Bytes that are too few to say how to go on."""
        self._parts = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` unpacks to. What comes behind the end is let go.

        Raises:
            BadBodyError: It cannot be unpacked.

        """
        data, self._begin = self._begin + data, b""
        while (engine := self._engine or self._started(data)) is not None:
            try:
                piece = engine.decompress(data, PIECE)
            except zlib.error:
                raise BadBodyError from None
            if piece:
                yield piece
            if engine.eof:
                data, self._engine = engine.unused_data, None
                self._parts += 1
            else:
                data = engine.unconsumed_tail
                if not piece and not data:
                    return

    def check_end(self) -> None:
        """See that all that was fed is whole; nothing at all is.

        Raises:
            BadBodyError: It is not.

        """
        if self._engine is not None or (self._begin and not self._parts):
            raise BadBodyError

    def _started(self, data: bytes) -> Any:
        """What unpacks the part that `data` begins; `None` where it begins none. There are several in gzip only."""
        if self._parts and not (self._gzip and data.startswith(_GZIP[: len(data)])):
            return None
        if len(data) < len(_GZIP):
            self._begin = data
            return None
        has_head = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
        self._engine = zlib.decompressobj(31 if self._gzip else 15 if has_head else -15)
        return self._engine


def unpacked(layers: Sequence[Inflater], data: bytes) -> Iterator[bytes]:
    """What `data` unpacks to, through all `layers`, the outermost first.

    Raises:
        BadBodyError: It cannot be unpacked.

    """
    pieces: Iterable[bytes] = (data,)
    for layer in layers:
        pieces = chain.from_iterable(map(layer.feed, pieces))
    return iter(pieces)
