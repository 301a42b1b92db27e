"""What a connection to an upstream over HTTP is set up with."""

import asyncio
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

from tests.proxy.loops import on_each_loop

from headgate.proxy.http import client_of
from headgate.proxy.sockets import RECEIVED
from headgate.proxy.target import HttpTarget

PIECE = b"x" * 64 * 1024
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000000000\r\n\r\n"


class Pouring:
    """A server that sends one body, and how much of it the system has taken."""

    sent = 0

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening

    def serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection, suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(PIECE))
            connection.sendall(HEAD)
            while True:
                self.sent += connection.send(PIECE)


@contextmanager
def pouring() -> Generator[tuple[str, Pouring]]:
    """Its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Pouring(listening)
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/", server
        thread.join(10)


@on_each_loop
async def test_however_fast_a_body_comes_in_little_of_it_waits_for_us() -> None:
    with pouring() as (url, server):
        async with asyncio.timeout(20), client_of(HttpTarget(url), 1) as client, client.stream("GET", url) as response:
            taken, most = 0, 0
            async for piece in response.aiter_bytes():
                taken += len(piece)
                most = max(most, server.sent - taken)
                if taken > 10_000_000:
                    break
                time.sleep(0.002)  # noqa: ASYNC251 - the event loop has something else to do meanwhile
            assert most < 4 * RECEIVED
