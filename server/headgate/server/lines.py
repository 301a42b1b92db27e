"""Lines out of and into a file descriptor, without a thread: over the event loop where it can wait for it.

It can wait for pipes, sockets and terminals. Anything else, such as a file or the null device, is always ready.
"""

import asyncio
import contextlib
import os
import stat
import sys
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from headgate.proxy.input import Input
from headgate.proxy.output import Output, TooLong

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one message from the client."""
LINES_A_TURN = 50
"""Messages that are taken in before everybody else has their turn on the event loop."""
MAX_AHEAD = 64 * 1024
"""Bytes of messages that wait to be taken, beyond which nothing more is read."""
MAX_UNREAD = 256 * 1024
"""Bytes that the client has not read, beyond which whoever writes waits and nothing more is read from it."""
_LAST_WORDS_S = 1.0
"""How long the client has to read what was written to it before the end."""

Offer = Callable[[bytes], bool]
"""Takes a line as soon as it is there, and says whether it has."""


class LineTooLongError(Exception):
    """A line of more than MAX_LINE bytes came in and was dropped; the next one can be read."""


class LineSource(Protocol):
    """Where messages come from."""

    offer: Offer
    """Is offered each line that comes before any other waits to be taken; those that it takes are gone."""

    async def next_line(self) -> bytes | None:
        """The next line, or the rest without an end of line; `None` at the end.

        Raises:
            LineTooLongError: It was dropped.

        """
        ...

    def hold(self) -> None:
        """Offer nothing more until `go_on`."""
        ...

    def go_on(self) -> None:
        """Offer lines again."""
        ...

    def close(self) -> None:
        """Read no more."""
        ...


class LineSink(Protocol):
    """Where messages go."""

    emptied: Callable[[], None]
    """Told when there is room again."""

    def write(self, line: bytes) -> bool:
        """Write a line, given without its end; whether there is room for more. Into a closed sink it is dropped."""
        ...

    async def put(self, line: bytes) -> None:
        """Write a line, given without its end, and wait until there is room for more.

        Raises:
            OSError: Nobody reads any longer.

        """
        ...

    async def close(self) -> None:
        """Write no more than what has been written, if it is read soon."""
        ...


async def source_of(fd: int) -> LineSource:
    """The lines that come in through `fd`, which is closed with the source."""
    if not _can_be_waited_for(fd):
        return _FileSource(fd)
    source = _PipeSource()
    source.transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: source, os.fdopen(fd, "rb", buffering=0)
    )
    return source


def sink_of(fd: int) -> LineSink:
    """What takes lines out through `fd`, which is closed with the sink."""
    return _PipeSink(fd) if _can_be_waited_for(fd) else _FileSink(fd)


def ends_with_its_client(fd: int) -> bool:
    """Whether the end of the input says that the client has gone, as that of a file does not."""
    return _can_be_waited_for(fd)


def _can_be_waited_for(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


def _take_nothing(_line: bytes) -> bool:
    return False


def _nobody_waits() -> None:
    pass


class _PipeSource(asyncio.Protocol):
    def __init__(self) -> None:
        self.offer: Offer = _take_nothing
        self.transport: asyncio.ReadTransport
        self._loop = asyncio.get_running_loop()
        self._output = Output(MAX_LINE)
        self._coming: Iterator[bytes | TooLong] = iter(())
        self._lines: deque[bytes | TooLong] = deque()
        self._ahead = 0
        """Bytes of `_lines`."""
        self._waiter: asyncio.Future[None] | None = None
        self._turn: asyncio.Handle | None = None
        self._held = False
        self._paused = False
        self._ended = False

    def data_received(self, data: bytes) -> None:
        self._coming = self._output.feed(data)
        self._take_in()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self._ended:
            self._ended = True
            for line in (*self._coming, *self._output.feed(b"\n")):  # the last one may come without its end
                self._keep(line)
            self._wake()

    async def next_line(self) -> bytes | None:
        while not self._lines:
            if self._ended:
                return None
            self._waiter = self._loop.create_future()
            await self._waiter
        line = self._lines.popleft()
        if isinstance(line, TooLong):
            raise LineTooLongError
        self._ahead -= len(line)
        if self._paused:
            self._take_in_soon()
        return line

    def hold(self) -> None:
        self._held = True

    def go_on(self) -> None:
        self._held = False
        if self._paused:
            self._take_in_soon()

    def close(self) -> None:
        self._ended = True
        self.transport.close()

    def _take_in(self) -> None:
        """Offer or keep what has come, and read on once all of it could be."""
        self._turn = None
        taken = 0
        while not self._held and self._ahead <= MAX_AHEAD:
            line = next(self._coming, None)
            if line is None:
                self._read_on()
                return
            if self._lines or isinstance(line, TooLong) or not self.offer(line):
                self._keep(line)
            taken += 1
            if taken == LINES_A_TURN:
                self._take_in_soon()
                break
        self._pause()

    def _take_in_soon(self) -> None:
        if self._turn is None and not self._ended:
            self._turn = self._loop.call_soon(self._take_in)

    def _keep(self, line: bytes | TooLong) -> None:
        self._lines.append(line)
        if isinstance(line, bytes):
            self._ahead += len(line)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def _read_on(self) -> None:
        if self._paused and not self._ended:
            self._paused = False
            self.transport.resume_reading()


class _FileSource:
    def __init__(self, fd: int) -> None:
        self.offer: Offer = _take_nothing
        self._file = os.fdopen(fd, "rb")

    async def next_line(self) -> bytes | None:
        await asyncio.sleep(0)  # the requests read so far get their turn
        line = self._file.readline(MAX_LINE + 1)
        if len(line) <= MAX_LINE or line.endswith(b"\n"):
            return line or None
        while line and not line.endswith(b"\n"):
            line = self._file.readline(MAX_LINE)
        raise LineTooLongError

    def hold(self) -> None:
        """Nothing is ever offered: who writes into a file does not wait for its answers."""

    def go_on(self) -> None: ...

    def close(self) -> None:
        self._file.close()


class _PipeSink:
    def __init__(self, fd: int) -> None:
        self.emptied: Callable[[], None] = _nobody_waits
        if sys.platform != "win32":
            os.set_blocking(fd, False)
        self._input = Input(os.fdopen(fd, "wb", buffering=0), self._let_go)
        self._input.emptied = self._let_go
        self._waiters: list[asyncio.Future[None]] = []

    def write(self, line: bytes) -> bool:
        self._input.write(line)
        return self._input.waiting <= MAX_UNREAD

    async def put(self, line: bytes) -> None:
        if not self.write(line):
            await self._room()
        if self._input.broken:
            raise BrokenPipeError

    async def close(self) -> None:
        self._input.flush()
        if self._input.waiting:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_S):
                    await self._room()
        self._input.close()

    async def _room(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _let_go(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.emptied()


class _FileSink:
    def __init__(self, fd: int) -> None:
        self.emptied: Callable[[], None] = _nobody_waits
        self._file = os.fdopen(fd, "wb", buffering=0)

    def write(self, line: bytes) -> bool:
        rest = memoryview(line + b"\n")
        while rest:
            rest = rest[self._file.write(rest) :]
        return True

    async def put(self, line: bytes) -> None:
        self.write(line)

    async def close(self) -> None:
        self._file.close()
