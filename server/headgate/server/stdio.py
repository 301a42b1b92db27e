"""Our own side of stdio: lines in and out over the event loop's pipes.

The SDK's own reads and writes in worker threads, which costs more a message than most calls and cannot be cancelled.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import anyio
import mcp_types as types
from mcp.shared.message import SessionMessage

MAX_REQUEST = 16 * 1024 * 1024
"""Bytes of one message from the client."""


@asynccontextmanager
async def stdio_streams() -> AsyncGenerator[tuple["LinesIn", "LinesOut"]]:
    """The process's stdin and stdout as streams of messages, for as long as the context is open.

    Meanwhile file descriptor 0 reads as empty and 1 is stderr: nothing that prints can spoil the protocol.
    """
    sys.stdout.flush()
    wire_in, wire_out = os.dup(0), os.dup(1)
    diverted_in = os.open(os.devnull, os.O_RDONLY)
    os.dup2(diverted_in, 0)
    os.close(diverted_in)
    os.dup2(2, 1)
    try:
        reader, reading = await _reader(os.dup(wire_in))
        writer, writing = await _writer(os.dup(wire_out))
        try:
            yield LinesIn(reader), LinesOut(writer)
        finally:
            writing.close()
            reading.close()
    finally:
        for wire, standard in ((wire_in, 0), (wire_out, 1)):
            # The event loop made it non-blocking, and a terminal is shared with whoever started us.
            os.set_blocking(wire, True)
            os.dup2(wire, standard)
            os.close(wire)


async def _reader(fd: int) -> tuple[asyncio.StreamReader, asyncio.BaseTransport]:
    reader = asyncio.StreamReader(limit=MAX_REQUEST)
    pipe = os.fdopen(fd, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return reader, transport


async def _writer(fd: int) -> tuple[asyncio.StreamWriter, asyncio.BaseTransport]:
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(fd, "wb", buffering=0)
    # The protocol of a reader that nothing reads: it has the flow control that a StreamWriter drains by.
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    transport, _ = await loop.connect_write_pipe(lambda: protocol, pipe)
    return asyncio.StreamWriter(transport, protocol, None, loop), transport


class _Stream:
    """What the SDK asks of a stream beside its messages."""

    async def aclose(self) -> None:
        """The context of `stdio_streams` closes both pipes."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


class LinesIn(_Stream):
    """Messages from the client; what is no message comes as an exception, as the SDK expects."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        """Read from `reader`."""
        self._reader = reader

    async def receive(self) -> SessionMessage | Exception:
        """The next message.

        Raises:
            anyio.EndOfStream: The client has closed our stdin.

        """
        while True:
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as end:
                if not end.partial.strip():
                    raise anyio.EndOfStream from None
                line = end.partial
            except asyncio.LimitOverrunError as long:
                await self._skip_line(long.consumed)
                return ValueError(f"a message of more than {MAX_REQUEST} bytes was dropped")
            if line.strip():
                return _message(line)

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

    def __aiter__(self) -> Self:
        """Iterate over the messages."""
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        """The next message, until the client is done."""
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


def _message(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as malformed:
        return malformed


class LinesOut(_Stream):
    """Messages to the client, each waiting until the pipe has room."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        """Write to `writer`."""
        self._writer = writer

    async def send(self, item: SessionMessage, /) -> None:
        """Send one message.

        Raises:
            anyio.BrokenResourceError: The client no longer reads.

        """
        self._writer.write(item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
        try:
            await self._writer.drain()
        except OSError:
            raise anyio.BrokenResourceError from None
