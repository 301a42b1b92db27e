"""One connection of a client, held to a time for each thing that it has to do: uvicorn's own waits for ever.

A client that sends its request a byte at a time, or that does not read its answer, costs one place for a few seconds.
Where all places are taken, the connection that has waited longest without a whole request makes room: a thousand of
them keep nobody else out.
"""

import asyncio
import contextlib
import logging
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

logger = logging.getLogger(__name__)

HEADER_S = 10.0
"""For the head of a request, from the connection or from the first byte of a later one."""
LATE_S = 1.0
"""After that, a connection whose request is not there yet is the first to make room."""
BODY_S = 60.0
"""For its body."""
READ_S = 30.0
"""How long a client may leave an answer unread."""
KEEP_ALIVE_S = 75
"""How long a connection may idle between requests: longer than clients let theirs, who else would ask a closed one."""
OTHER_FILES = 256
"""Open files that are not connections of clients: upstreams' pipes and sockets, the journal."""

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 21\r\n\r\ntoo many connections\n"
)


_THEIR_MOVE: tuple[object, ...] = (h11.IDLE, h11.SEND_BODY)


class Places:
    """The connections that there are, and those among them that could make room."""

    def __init__(self, limit: int) -> None:
        """Room for `limit` connections."""
        self._limit = limit
        self._taken: set[TimedConnection] = set()
        self._owing: dict[TimedConnection, float] = {}
        """Those that owe us a request, or the rest of one, and since when; the longest waiting first."""
        self._idle: dict[TimedConnection, None] = {}
        """Those that have been answered and may ask again."""

    def enter(self, connection: "TimedConnection") -> bool:
        """Take a place; whether there is one."""
        if len(self._taken) >= self._limit:
            other = self._dispensable(connection.loop.time())
            if other is None:
                return False
            other.drop()
            self.leave(other)
        self._taken.add(connection)
        return True

    def _dispensable(self, now: float) -> "TimedConnection | None":
        """The one to make room: who is late with a request, else who has none, else who is about to send one."""
        late, since = next(iter(self._owing.items()), (None, now))
        return late if now - since > LATE_S else next(iter(self._idle), late)

    def leave(self, connection: "TimedConnection") -> None:
        """Give the place back."""
        self._taken.discard(connection)
        self.busy(connection)

    def owes(self, connection: "TimedConnection") -> None:
        """Note that a request, or the rest of one, is still to come."""
        if connection in self._taken:
            self._idle.pop(connection, None)
            self._owing.setdefault(connection, connection.loop.time())

    def idles(self, connection: "TimedConnection") -> None:
        """Note that nothing is to come that we know of."""
        if connection in self._taken:
            self._owing.pop(connection, None)
            self._idle.setdefault(connection)

    def busy(self, connection: "TimedConnection") -> None:
        """Note that a whole request is there: the rest is ours to do."""
        self._owing.pop(connection, None)
        self._idle.pop(connection, None)


class TimedConnection(H11Protocol):
    """uvicorn's HTTP/1.1 with a clock. Made for each connection with the `Places` of the server as first argument."""

    def __init__(self, places: Places, **server: Any) -> None:
        """Nothing is timed before the connection is made."""
        super().__init__(**server)
        self._places = places
        self._phase: object = None
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place, or say that there is none."""
        super().connection_made(transport)
        if self._places.enter(self):
            self._time(h11.IDLE)
        else:
            transport.write(_BUSY)
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._places.leave(self)
        for timer in (self._deadline, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Read what has come in, and time what is still to come."""
        super().handle_events()
        if not self.transport.is_closing():
            state = self.conn.their_state
            self._time(state if state in _THEIR_MOVE else None)

    def on_response_complete(self) -> None:
        """Let it idle: uvicorn's own clock runs between requests."""
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self._time(None)
            self._places.idles(self)

    def timeout_keep_alive_handler(self) -> None:
        """Close it for idling."""
        if not self.transport.is_closing():
            self._close()

    def pause_writing(self) -> None:
        """Give the client its time to read."""
        super().pause_writing()
        self._time_reading()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        if self._unread is not None and not self.transport.is_closing():
            self._unread.cancel()
            self._unread = None

    def drop(self) -> None:
        """End the connection as it is."""
        self.transport.abort()

    def _time(self, phase: object) -> None:
        """Start the clock of a phase that has begun; one that goes on keeps the clock it has."""
        (self._places.busy if phase is None else self._places.owes)(self)
        if phase is self._phase:
            return
        self._phase = phase
        if self._deadline is not None:
            self._deadline.cancel()
        within = HEADER_S if phase is h11.IDLE else BODY_S
        self._deadline = None if phase is None else self.loop.call_later(within, self.drop)

    def _time_reading(self) -> None:
        """End the connection once nothing has been read of what is written for READ_S."""
        left = self.transport.get_write_buffer_size()

        def look() -> None:
            if self.transport.get_write_buffer_size() >= left:
                self.drop()
            else:
                self._time_reading()

        if self._unread is not None:
            self._unread.cancel()
        self._unread = self.loop.call_later(READ_S, look)

    def _close(self) -> None:
        """Close it when its last bytes have been read, or when nobody reads them."""
        self.transport.close()
        self._time_reading()


def affordable(wanted: int) -> int:
    """How many of `wanted` connections there may be: each is an open file, and so is much else."""
    if sys.platform == "win32":
        return wanted
    import resource  # noqa: PLC0415 - not there on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    if soft < needed:
        more = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft < needed:
        logger.warning("this system allows for %d open files: at most %d connections", soft, max(soft - OTHER_FILES, 1))
    return min(wanted, max(soft - OTHER_FILES, 1))
