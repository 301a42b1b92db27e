"""A TCP proxy that does to connections what networks do: Toxiproxy's eight toxics, in this process.

Each direction has toxics of its own, `up` towards the server and `down` towards the client; they can be changed while
connections are open. `latency`, `slicer` and `bandwidth` slow data; `limit_data`, `timeout` and `reset_peer` end it;
`slow_close` delays the end of a connection; and the proxy as a whole can be `down`.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

CHUNK = 64 * 1024
Direction = Literal["up", "down"]


@dataclass(slots=True)
class Toxics:
    """What happens to data that flows in one direction."""

    latency_s: float = 0.0
    bandwidth: int | None = None
    """Bytes a second."""
    slice_bytes: int | None = None
    slice_pause_s: float = 0.0
    limit_data: int | None = None
    """Bytes after which the connection is closed, counted from when it was opened."""
    timeout: bool = False
    """Data goes nowhere, and the connection stays open: a black hole."""
    reset_peer: bool = False
    """The next data that comes ends the connection with a RST."""
    slow_close_s: float = 0.0

    def clear(self) -> None:
        """Let data through as it comes."""
        fresh = Toxics()
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))


@dataclass(slots=True)
class ToxicProxy:
    """Listens on a loopback port and passes what comes on to `host:port`."""

    host: str
    port: int
    up: Toxics = field(default_factory=Toxics)
    down: Toxics = field(default_factory=Toxics)
    listening_on: int = 0
    connections: int = 0
    """How many were accepted, ever."""
    _server: asyncio.Server | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def toxics(self, direction: Direction) -> Toxics:
        """Those of one direction."""
        return self.up if direction == "up" else self.down

    def cure(self) -> None:
        """Let everything through again. What was held back is lost; what was cut stays so."""
        self.up.clear()
        self.down.clear()

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.listening_on)
        self.listening_on = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections and cut those that are open: the toxic `down`."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._open):
            connection.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        ends = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
            ends.append(far_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, far_writer, self.up, ends))
                both.create_task(_pump(far_reader, writer, self.down, ends))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            for end in ends:
                end.transport.abort()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, toxics: Toxics, ends: list[asyncio.StreamWriter]
) -> None:
    passed = 0
    while data := await reader.read(CHUNK):
        if toxics.reset_peer:
            reset(*ends)
            raise ConnectionResetError
        if toxics.timeout:
            continue
        if toxics.latency_s:
            await asyncio.sleep(toxics.latency_s)
        room = len(data) if toxics.limit_data is None else max(0, toxics.limit_data - passed)
        passed += len(data)
        await _write(writer, data[:room], toxics)
        if room < len(data):
            raise ConnectionAbortedError
    if toxics.slow_close_s:
        await asyncio.sleep(toxics.slow_close_s)
    with suppress(OSError):
        writer.write_eof()


async def _write(writer: asyncio.StreamWriter, data: bytes, toxics: Toxics) -> None:
    size = toxics.slice_bytes or len(data) or 1
    if toxics.bandwidth is not None:
        size = min(size, max(1, toxics.bandwidth // 20))
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        writer.write(piece)
        await writer.drain()
        if toxics.bandwidth is not None:
            await asyncio.sleep(len(piece) / toxics.bandwidth)
        elif toxics.slice_bytes is not None:
            await asyncio.sleep(toxics.slice_pause_s)


def reset(*ends: asyncio.StreamWriter) -> None:
    """End connections with a RST, as a crashed host or a firewall does."""
    for end in ends:
        end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.transport.abort()


@asynccontextmanager
async def toxic(url: str) -> AsyncGenerator[tuple[ToxicProxy, str]]:
    """A proxy in front of the server at `url`, and the URL that leads through it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = ToxicProxy(parts.hostname, parts.port)
    await proxy.start()
    try:
        yield proxy, parts._replace(netloc=f"127.0.0.1:{proxy.listening_on}").geturl()
    finally:
        await proxy.stop()
