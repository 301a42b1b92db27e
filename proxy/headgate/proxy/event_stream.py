"""Server-sent events, cut out of the bytes of a response.

The data of an event stays bytes: it is handed to a JSON parser, which then sees invalid UTF-8 for what it is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ID = re.compile(rb"[\x20-\x7e]{0,1024}")
"""An event's id goes back in a header: what would not pass there is no id."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `retry_s` is the upstream's wish for how long to wait before the stream is opened again."""

    name: str
    data: bytes
    identity: str = ""
    retry_s: float | None = None


class TooLargeError(Exception):
    """An event goes on beyond what may be held of it."""


class EventCutter:
    """Cuts one stream into events of `limit` bytes at most. Each byte is looked at once."""

    def __init__(self, limit: int) -> None:
        """Start at the beginning of a stream."""
        self._limit = limit
        self._held = 0
        self._line: list[bytes] = []
        self._after_cr = False
        self._data: list[bytes] = []
        self._begun = False
        self._name = "message"
        self._identity = ""
        self._retry_s: float | None = None

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that `data` completes.

        Raises:
            TooLargeError: One of them is larger than the limit.

        """
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        start = 0
        while (end := data.find(b"\n", start)) != -1:
            self._hold(data[start:end])
            line = b"".join(self._line)
            self._line.clear()
            start = end + 1
            if line:
                self._field(line)
            elif (event := self._event()) is not None:
                yield event
        if start < len(data):
            self._hold(data[start:])

    def _hold(self, part: bytes) -> None:
        self._held += len(part)
        if self._held > self._limit:
            raise TooLargeError
        self._line.append(part)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        self._begun = self._begun or name != b""
        match name:
            case b"data":
                self._data.append(value)
                return
            case b"event":
                self._name = value.decode(errors="replace")
            case b"id" if _ID.fullmatch(value):
                self._identity = value.decode()
            case b"retry" if value.isdigit() and len(value) < 10:
                self._retry_s = int(value) / 1000
            case _:
                pass
        self._held -= len(line)

    def _event(self) -> Event | None:
        found = Event(self._name, b"\n".join(self._data), self._identity, self._retry_s) if self._begun else None
        self._data = []
        self._begun, self._name, self._retry_s, self._held = False, "message", None, 0
        return found
