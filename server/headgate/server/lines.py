"""Lines out of and into a file descriptor, without a thread: over the event loop where it can wait for it.

It can wait for pipes, sockets and terminals. Anything else, such as a file or the null device, is always ready.
"""

import asyncio
import os
import stat
from typing import Protocol

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one message from the client."""


class LineTooLongError(Exception):
    """A line of more than MAX_LINE bytes came in and was dropped; the next one can be read."""


class LineSource(Protocol):
    """Where messages come from."""

    async def next_line(self) -> bytes | None:
        """The next line, or the rest without an end of line; `None` at the end.

        Raises:
            LineTooLongError: It was dropped.

        """
        ...

    def close(self) -> None:
        """Read no more."""
        ...


class LineSink(Protocol):
    """Where messages go."""

    async def put(self, line: bytes) -> None:
        """Write a line, which brings its own end, and wait until there is room for more.

        Raises:
            OSError: Nobody reads any longer.

        """
        ...

    def close(self) -> None:
        """Write no more."""
        ...


async def source_of(fd: int) -> LineSource:
    """The lines that come in through `fd`, which is closed with the source."""
    if not _can_be_waited_for(fd):
        return _FileSource(fd)
    reader = asyncio.StreamReader(limit=MAX_LINE)
    pipe = os.fdopen(fd, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return _PipeSource(reader, transport)


async def sink_of(fd: int) -> LineSink:
    """What takes lines out through `fd`, which is closed with the sink."""
    if not _can_be_waited_for(fd):
        return _FileSink(fd)
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(fd, "wb", buffering=0)
    # The protocol of a reader that nothing reads: it has the flow control that a StreamWriter drains by.
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    transport, _ = await loop.connect_write_pipe(lambda: protocol, pipe)
    return _PipeSink(asyncio.StreamWriter(transport, protocol, None, loop))


def ends_with_its_client(fd: int) -> bool:
    """Whether the end of the input says that the client has gone, as that of a file does not."""
    return _can_be_waited_for(fd)


def _can_be_waited_for(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


class _PipeSource:
    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.BaseTransport) -> None:
        self._reader = reader
        self._transport = transport

    async def next_line(self) -> bytes | None:
        try:
            return await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as end:
            return end.partial or None
        except asyncio.LimitOverrunError as long:
            await self._skip_line(long.consumed)
            raise LineTooLongError from None

    async def _skip_line(self, consumed: int) -> None:
        while True:
            await self._reader.readexactly(max(consumed, 1))
            try:
                await self._reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as long:
                consumed = long.consumed
            except asyncio.IncompleteReadError:
                return
            else:
                return

    def close(self) -> None:
        self._transport.close()


class _FileSource:
    def __init__(self, fd: int) -> None:
        self._file = os.fdopen(fd, "rb")

    async def next_line(self) -> bytes | None:
        await asyncio.sleep(0)  # the requests read so far get their turn
        line = self._file.readline(MAX_LINE + 1)
        if len(line) <= MAX_LINE or line.endswith(b"\n"):
            return line or None
        while line and not line.endswith(b"\n"):
            line = self._file.readline(MAX_LINE)
        raise LineTooLongError

    def close(self) -> None:
        self._file.close()


class _PipeSink:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def put(self, line: bytes) -> None:
        self._writer.write(line)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.transport.close()


class _FileSink:
    def __init__(self, fd: int) -> None:
        self._file = os.fdopen(fd, "wb", buffering=0)

    async def put(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        self._file.close()
