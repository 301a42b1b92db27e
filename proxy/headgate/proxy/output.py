"""A child's output cut into lines, none of which can fill the memory."""

from collections.abc import Iterator
from dataclasses import dataclass

DRAINED = 16
"""A line may come to this many times the limit, let go all the while, before it counts as one without an end."""
_BLANK = 32
EDGE = 512
"""Bytes of the beginning and the end of a line that is too long, kept to find out whose answer it was."""


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line of which only the edges were kept."""

    head: bytes
    tail: bytes
    size: int
    """Bytes of it; those that came, if it was cut off."""
    limit: int
    """Bytes that it might have had."""
    ended: bool


class Output:
    """Cuts what it is fed. A line of more than `limit` bytes is let go as it comes in, and only measured."""

    def __init__(self, limit: int) -> None:
        """Between pieces at most `limit` bytes are held."""
        self._limit = limit
        self._begun: list[bytes] = []
        self._size = 0
        self._head = b""
        """The beginning of the line under way, once it is too long to be kept."""
        self._tail = b""
        self.let_go = 0
        """Bytes that nobody gets: of lines that are too long, and blank lines, which count for as much as they cost."""

    @property
    def held(self) -> int:
        """Bytes that are kept of the line under way."""
        return sum(map(len, self._begun)) + len(self._head) + len(self._tail)

    @property
    def endless(self) -> TooLong | None:
        """The line under way, if it is past all bounds."""
        return self._measured(ended=False) if self._size > self._limit * DRAINED else None

    def feed(self, piece: bytes) -> Iterator[bytes | TooLong]:
        """The lines that end in `piece`, without blank ones. To be used up before the next piece."""
        *lines, rest = piece.split(b"\n")
        for line in lines:
            if self._size or len(line) > self._limit:
                self._begin(line)
                whole = self._end()
            else:
                whole = line
            if isinstance(whole, TooLong) or (whole and not whole.isspace()):
                yield whole
            else:
                self.let_go += _BLANK
        if rest:
            self._begin(rest)

    def _begin(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._head:
            self.let_go += len(piece)
            self._tail = (self._tail + piece)[-EDGE:]
            return
        self._begun.append(piece)
        if self._size > self._limit:
            self.let_go += self._size
            self._head, self._tail = _edges(self._begun)
            self._begun.clear()

    def _end(self) -> bytes | TooLong:
        line = self._measured(ended=True) if self._head else b"".join(self._begun)
        self._begun.clear()
        self._size, self._head, self._tail = 0, b"", b""
        return line

    def _measured(self, *, ended: bool) -> TooLong:
        return TooLong(self._head, self._tail, self._size, self._limit, ended)


def _edges(pieces: list[bytes]) -> tuple[bytes, bytes]:
    """The beginning and the end of a line, without the whole of it: that may be long, and is not wanted."""
    head = tail = b""
    for piece in pieces:
        head += piece[: EDGE - len(head)]
        if len(head) == EDGE:
            break
    for piece in reversed(pieces):
        tail = piece[-(EDGE - len(tail)) :] + tail
        if len(tail) == EDGE:
            break
    return head, tail
