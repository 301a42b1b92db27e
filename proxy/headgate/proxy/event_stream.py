"""Server-sent events, cut out of the bytes of a response.

The data of an event stays bytes: it is handed to a JSON parser, which then sees invalid UTF-8 for what it is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from headgate.proxy.messages import BYTE_ORDER_MARK
from headgate.proxy.output import DRAINED, EDGE, TooLong

_ID = re.compile(rb"[\x20-\x7e]{0,1024}")
"""An event's id goes back in a header: what would not pass there is no id."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `retry_s` is the upstream's wish for how long to wait before the stream is opened again."""

    name: str
    data: bytes
    identity: str = ""
    retry_s: float | None = None
    too_long: TooLong | None = None
    """What there is instead of data that is too large."""


class TooLargeError(Exception):
    """An event goes on beyond what may be taken in of it."""


class EventCutter:
    """Cuts one stream into events of `limit` bytes at most. Each byte is looked at once."""

    def __init__(self, limit: int, *, drain: bool = False) -> None:
        """Start at the beginning of a stream.

        With `drain`, an event that is too large is let go as it comes in, its edges are kept, and the stream goes on
        behind it; without, it is an error.
        """
        self._limit = limit
        self._most = limit * DRAINED if drain else limit
        self._size = 0
        """Bytes of the event under way, of whatever is said beside its data those that are held."""
        self._line: list[bytes] = []
        self._after_cr = False
        self._first = True
        """Whether the stream is still in its first line, which a mark of byte order may begin."""
        self._data: list[bytes] = []
        self._head = self._tail = b""
        """The edges of the event under way, once it is too large to be kept."""
        self._begun = False
        self._name = "message"
        self._identity = ""
        self._retry_s: float | None = None

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that `data` completes.

        Raises:
            TooLargeError: One of them is too large.

        """
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        start = 0
        while (end := data.find(b"\n", start)) != -1:
            self._hold(data[start:end])
            blank = end == start and not self._line[:-1]
            start = end + 1
            if not blank:
                self._end_of_line()
            elif (event := self._event()) is not None:
                yield event
        if start < len(data):
            self._hold(data[start:])

    def _hold(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._most:
            raise TooLargeError
        self._line.append(part)
        if self._head:
            self._tail = (self._tail + part)[-EDGE:]
            del self._line[2:]
        elif self._size > self._limit:
            line = b"".join(self._line).removeprefix(b"data:").lstrip()
            whole = b"\n".join((*self._data, line))
            self._head, self._tail = whole[:EDGE], whole[-EDGE:]
            self._data.clear()
            self._line[:] = [b"data:", b""]

    def _end_of_line(self) -> None:
        line = b"".join(self._line)
        self._line.clear()
        if self._first:
            line, self._first = line.removeprefix(BYTE_ORDER_MARK), False
        if not self._head:
            self._field(line)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        self._begun = self._begun or name != b""
        match name:
            case b"data":
                self._data.append(value)
                return
            case b"event":
                self._name = value.decode(errors="replace") or "message"
            case b"id" if _ID.fullmatch(value):
                self._identity = value.decode()
            case b"retry" if value.isdigit() and len(value) < 10:
                self._retry_s = int(value) / 1000
            case _:
                pass
        self._size -= len(line)

    def _event(self) -> Event | None:
        found = None
        if self._head:
            too_long = TooLong(self._head, self._tail, self._size, self._limit, ended=True)
            found = Event(self._name, b"", self._identity, self._retry_s, too_long)
        elif self._begun:
            found = Event(self._name, b"\n".join(self._data), self._identity, self._retry_s)
        self._line.clear()
        self._data.clear()
        self._head = self._tail = b""
        self._begun, self._name, self._retry_s, self._size = False, "message", None, 0
        return found
