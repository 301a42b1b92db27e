"""The legacy SSE transport: POSTs that come to nothing, and a stream that goes on beside them."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.proxy.misbehaving import SECRET

from headgate.proxy.connection import CallFailedError, Connection, Opening, TakenBackError
from headgate.proxy.recall import RECALL, Recall
from headgate.proxy.replica import reason_of
from headgate.proxy.sse import sse_opener
from headgate.proxy.target import HttpTarget

NOTHING: dict[str, Any] = {"content": []}
INITIALIZED = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "old", "version": "1"}}
_SPARE = 19
"""Connections beside those of the calls that may be in flight, less that of the stream."""


class Old:
    """A server of one session. Calls of `ok` are answered, of `fail` with an error, and of `hang` never."""

    def __init__(self) -> None:
        self.endpoint = "/post"
        self.answers_posts = True
        self.asks = False
        """Whether it asks something under the id of each call before it answers, and takes no answer to that."""
        self.called: list[str] = []
        self.heard = asyncio.Semaphore(0)
        """Released for each call."""
        self._stream: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"GET"):
                    self._stream = writer
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
                    writer.write(f"event: endpoint\ndata: {self.endpoint}\n\n".encode())
                    continue
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await self.take(json.loads(await reader.readexactly(length)), writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def take(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        is_call = message.get("method") == "tools/call"
        if is_call:
            self.called.append(message["params"]["name"])
            self.heard.release()
        status = b"500 No" if self.asks and "method" not in message else b"202 Accepted"
        if self.answers_posts or not is_call:
            writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
        if is_call and self.asks:
            self.say({"id": message["id"], "method": "ping"})
            await asyncio.sleep(0.1)
        match message.get("method"):
            case "initialize":
                self.say({"id": message["id"], "result": INITIALIZED})
            case "tools/call" if message["params"]["name"] == "ok":
                self.say({"id": message["id"], "result": NOTHING})
            case "tools/call" if message["params"]["name"] == "fail":
                self.say({"id": message["id"], "error": {"code": -32001, "message": f"no {SECRET}"}})
            case "server/discover":
                self.say({"id": message["id"], "error": {"code": -32601, "message": "no such method"}})
            case _:
                pass

    def say(self, message: dict[str, Any]) -> None:
        assert self._stream is not None
        self._stream.write(b"data: " + json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n\n")


@asynccontextmanager
async def listening(server: Old) -> AsyncGenerator[HttpTarget]:
    tasks: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        await server.serve(reader, writer)

    there = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        async with asyncio.timeout(20):
            url = f"http://127.0.0.1:{there.sockets[0].getsockname()[1]}/sse"
            yield HttpTarget(url, {"X-Token": SECRET}, transport="sse")
    finally:
        there.close()
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await there.wait_closed()


@asynccontextmanager
async def opened(server: Old) -> AsyncGenerator[Connection]:
    async with listening(server) as target, sse_opener(target, 1)(Opening("old", lambda: None)) as connection:
        yield connection


async def test_a_server_that_never_answers_the_posts_of_what_it_has_answered_is_called_on_and_on() -> None:
    server = Old()
    server.answers_posts = False
    async with opened(server) as connection:
        for _ in range(_SPARE + 6):
            assert await connection.call_tool("ok", {}) == NOTHING


async def test_what_a_server_repeats_of_what_it_was_given_is_hidden() -> None:
    async with opened(Old()) as connection:
        with pytest.raises(CallFailedError) as failed:
            await connection.call_tool("fail", {})
    assert str(failed.value) == "no •••"


async def test_an_answer_of_ours_that_is_not_taken_fails_no_call_that_has_the_same_id() -> None:
    server = Old()
    server.asks = True
    async with opened(server) as connection:
        assert await connection.call_tool("ok", {}) == NOTHING


async def test_a_write_that_waits_for_a_connection_can_be_taken_back_and_then_never_goes_out() -> None:
    server = Old()
    server.answers_posts = False
    recall = Recall()
    async with opened(server) as connection:

        async def write() -> None:
            RECALL.set(recall)
            with pytest.raises(TakenBackError):
                await connection.call_tool("ok", {"late": True})

        async with asyncio.TaskGroup() as tasks:
            hanging = [tasks.create_task(connection.call_tool("hang", {})) for _ in range(_SPARE + 1)]
            for _ in hanging:
                await server.heard.acquire()
            writing = tasks.create_task(write())
            await asyncio.sleep(0.05)
            assert recall.take_back()
            writing.cancel()
            for task in hanging:
                task.cancel()
        assert await connection.call_tool("ok", {}) == NOTHING
        assert server.called.count("ok") == 1


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("http://127.0.0.1:x/", "the upstream names no address for its requests"),
        ("http://[::1", "the upstream names no address for its requests"),
        ("//elsewhere.example/", "the upstream names an address of another server for its requests"),
    ],
)
async def test_an_address_for_requests_that_is_none_or_elsewhere_is_told(endpoint: str, words: str) -> None:
    server = Old()
    server.endpoint = endpoint
    async with listening(server) as target:
        with pytest.raises(BaseExceptionGroup) as failed:
            await sse_opener(target, 1)(Opening("old", lambda: None)).__aenter__()
    assert reason_of(failed.value) == words
