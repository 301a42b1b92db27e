"""Connections that are used again: by nobody who would be given what was left over of an earlier answer."""

import asyncio
import os
import socket
import ssl
import struct
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpcore2 as httpcore
import pytest
from tests.proxy.certificate import certificate
from tests.proxy.loops import on_each_loop
from tests.proxy.parts import all_at_once

from headgate.proxy.pool import Pool

OWN = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nown"
OF_ANOTHER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother"
LEFT_OVER = {
    "a second answer": OWN + OF_ANOTHER,
    "more than it says": OWN + b" and more",
    "much more than it says": OWN + b"x" * 600_000,
    "a body where there is none": b"HTTP/1.1 204 No\r\ncontent-length: 3\r\n\r\nown",
    "a body of what has not changed": b"HTTP/1.1 304 No\r\ncontent-length: 3\r\n\r\nown",
}


class Server:
    """Answers each first request of a connection with `first`, each later one with its own."""

    def __init__(self, first: bytes, then: bytes = b"") -> None:
        self.first, self.then = first, then
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            # Two records, where there is TLS, which arrive as one piece.
            writer.write(self.first)
            writer.write(self.then)
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(OWN)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(server: Server, tls: ssl.SSLContext | None = None) -> AsyncGenerator[str]:
    async with asyncio.timeout(20), await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls) as there:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{there.sockets[0].getsockname()[1]}/"


async def asked(pool: httpcore.AsyncConnectionPool, url: str, times: int) -> list[bytes]:
    return [(await pool.request("GET", url)).content for _ in range(times)]


@on_each_loop
@pytest.mark.parametrize("first", LEFT_OVER.values(), ids=LEFT_OVER.keys())
async def test_what_is_left_over_of_an_answer_is_nobodys(first: bytes) -> None:
    server = Server(first)
    async with listening(server) as url, Pool(1) as pool:
        answers = await asked(pool, url, 3)
    assert answers == [answers[0]] * 3
    assert server.connections == 3


@on_each_loop
async def test_a_connection_of_which_nothing_is_left_over_is_used_again() -> None:
    server = Server(OWN)
    async with listening(server) as url, Pool(1) as pool:
        assert await asked(pool, url, 5) == [b"own"] * 5
    assert server.connections == 1


@on_each_loop
async def test_what_is_left_over_in_a_record_of_tls_is_nobodys_either(tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem := certificate(tmp_path))
    server = Server(OWN, OF_ANOTHER)
    async with listening(server, tls) as url, Pool(1, ssl.create_default_context(cafile=pem)) as pool:
        assert await asked(pool, url, 5) == [b"own"] * 5


@on_each_loop
async def test_what_is_no_tls_in_the_middle_of_it_is_a_connection_that_broke(tmp_path: Path) -> None:
    async def spoil(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        os.write(writer.get_extra_info("socket").fileno(), b"\x17\x03\x03\x00\x20" + b"x" * 32)
        await reader.read()
        writer.close()

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem := certificate(tmp_path))
    async with asyncio.timeout(10), await asyncio.start_server(spoil, "127.0.0.1", 0, ssl=tls) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with Pool(1, ssl.create_default_context(cafile=pem)) as pool:
            with pytest.raises(httpcore.ReadError):
                await pool.request("GET", url)


@contextmanager
def resetting() -> Generator[str]:
    """A server that takes connections and resets each at once."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()

        threads = [threading.Thread(target=serve) for _ in range(4)]
        for thread in threads:
            thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)


@on_each_loop
async def test_a_connection_that_is_reset_as_soon_as_it_is_made_is_one_that_broke() -> None:
    async def ask() -> None:
        with suppress(httpcore.NetworkError, httpcore.RemoteProtocolError):
            await pool.request("POST", url)

    with resetting() as url:
        async with asyncio.timeout(20), Pool(20) as pool:
            for _ in range(30):
                await all_at_once(*[ask for _ in range(20)])


@on_each_loop
async def test_a_handshake_that_nobody_waits_for_any_more_leaves_no_connection_open() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        begun.set()
        await reader.read()
        ended.set()
        writer.close()

    async with asyncio.timeout(10), await asyncio.start_server(silent, "127.0.0.1", 0) as server, Pool(1) as pool:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(pool.request("GET", url))
            await begun.wait()
            asking.cancel()
            await ended.wait()
