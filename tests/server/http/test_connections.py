"""Clients that are slow, silent or many: what they hold is theirs for seconds, and nobody else notices.

HEADGATE_FULL=1 runs the full figures: 1,000 slow connections, 10,000 rounds of clients that all use one id.
"""

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2 as httpx
import mcp
import pytest
from tests.server.gates import Shop, look, pay, text
from tests.server.http.inside import Asking, Inside, answer_in, is_watcher, serving
from tests.server.http.served import ACCEPT
from tests.server.processes import INITIALIZE, WAIT_S, call, request

from headgate.server.http import connections
from headgate.server.settings.serve import ServeSettings

FULL = os.environ.get("HEADGATE_FULL") == "1"
SLOW = 1_000 if FULL else 150
PLACES = 512 if FULL else 60
ROUNDS = 10_000 if FULL else 100
HEAD = b"POST /mcp HTTP/1.1\r\nhost: gate\r\ncontent-type: application/json\r\n"

PROBE = b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n"
NEW_ERA = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "bare", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}

Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Shows figures of a full run."""

    def show(line: str) -> None:
        if FULL:
            with capsys.disabled():
                print(f"\n{line}")  # noqa: T201

    return show


def limited(places: int = 100) -> ServeSettings:
    return ServeSettings(hosts=("gate",), no_auth=True, connections=places)


@asynccontextmanager
async def wires(inside: Inside, count: int) -> AsyncGenerator[list[Wire]]:
    """So many bare connections, closed in the end."""
    made = [await asyncio.open_connection(*inside.address) for _ in range(count)]
    try:
        yield made
    finally:
        for _, writer in made:
            writer.close()


async def trickle(made: list[Wire], *pieces: bytes) -> None:
    """Send each connection a piece, and a while later the next: never a whole request."""
    for piece in pieces:
        for _, writer in made:
            writer.write(piece)
        await asyncio.sleep(0.05)


async def end_of(reader: asyncio.StreamReader) -> bytes:
    """What a connection says until it is closed."""
    said = b""
    async with asyncio.timeout(WAIT_S):
        try:
            while piece := await reader.read(1 << 16):
                said += piece
        except ConnectionError:
            pass
    return said


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((b"P", b"O", b"S", b"T"), id="of their first line"),
        pytest.param((HEAD, b"x-a: ", b"b", b"c"), id="of their headers"),
        pytest.param((HEAD + b"content-length: 100\r\n\r\n", b"{", b'"', b"j"), id="of their body"),
    ],
)
async def test_connections_that_trickle_do_not_stop_a_client_that_does_not(
    pieces: tuple[bytes, ...], report: Callable[[str], None]
) -> None:
    async with serving(serve=limited(PLACES)) as inside, wires(inside, SLOW) as slow, asyncio.TaskGroup() as tasks:
        tasks.create_task(trickle(slow, *pieces))
        asked = time.perf_counter()
        for _ in range(20):
            result = await Asking(inside).tool("batch_call", calls=[look("a")])
            assert result["structuredContent"]["outcome"] == "ok"
        report(f"{SLOW} slow connections, {PLACES} places: 20 batches in {time.perf_counter() - asked:.2f} s")


@pytest.mark.parametrize("piece", [b"", b"POST /mcp HT", HEAD, HEAD + b"content-length: 9\r\n\r\n{"])
async def test_a_connection_that_does_not_come_to_its_point_is_closed(
    monkeypatch: pytest.MonkeyPatch, piece: bytes
) -> None:
    monkeypatch.setattr(connections, "HEADER_S", 0.1)
    monkeypatch.setattr(connections, "BODY_S", 0.1)
    async with serving(serve=limited()) as inside, wires(inside, 1) as ((reader, writer),):
        writer.write(piece)
        assert await end_of(reader) == b""


async def test_a_second_request_that_never_comes_whole_is_no_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_S", 0.2)
    async with serving() as inside, wires(inside, 1) as ((reader, writer),):
        writer.write(PROBE)
        assert b"200 OK" in await reader.read(1 << 16)
        await asyncio.sleep(0.4)  # between requests it may idle for longer than that
        writer.write(PROBE)
        assert b"200 OK" in await reader.read(1 << 16)
        writer.write(b"G")
        assert await end_of(reader) == b""


async def test_a_connection_that_idles_makes_room_and_one_at_work_does_not() -> None:
    async with serving(serve=limited(2)) as inside, wires(inside, 1) as ((idle, writer),):
        writer.write(PROBE)
        assert b"200 OK" in await idle.read(1 << 16)
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(Asking(inside).tool("shop__look", tag=tag, s=0.4)) for tag in "ab"]
            assert await end_of(idle) == b""
            await asyncio.sleep(0.1)
            async with wires(inside, 1) as ((refused, _),):
                assert b"503 Service Unavailable" in await end_of(refused)

    assert [task.result()["structuredContent"]["tag"] for task in working] == ["a", "b"]


async def test_a_client_that_does_not_read_its_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_S", 0.2)
    body = json.dumps(call(1, "shop__large")).encode()
    head = HEAD + b"accept: application/json, text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(body)
    shop = Shop(results={"large": text("x" * 15_000_000)})
    async with serving(serve=limited(), shop=shop) as inside:
        with socket.create_connection(inside.address) as deaf:
            await asyncio.to_thread(deaf.sendall, head + body)
            await asyncio.to_thread(deaf.recv, 1)
            async with asyncio.timeout(WAIT_S):
                while inside.connections != 0:  # noqa: ASYNC110 - a connection has no event
                    await asyncio.sleep(0.02)


@pytest.mark.parametrize("opened", [False, True], ids=["without a session", "each in its session"])
async def test_ten_clients_that_all_use_id_1_each_get_their_own_answer_every_time(
    report: Callable[[str], None],
    opened: bool,  # noqa: FBT001 - pytest fills it in
) -> None:
    async def ask(inside: Inside, name: str) -> None:
        async with httpx.AsyncClient(timeout=WAIT_S, headers=ACCEPT) as client:
            if opened:
                hello = await client.post(inside.url, json=request(1, "initialize", INITIALIZE))
                client.headers["mcp-session-id"] = hello.headers["mcp-session-id"]
            for number in range(ROUNDS // 10):
                tag = f"{name}-{number}"
                answer = answer_in(await client.post(inside.url, json=call(1, "shop__look", tag=tag)))
                assert (answer["id"], answer["result"]["structuredContent"]["tag"]) == (1, tag)

    asked = time.perf_counter()
    async with serving(within_s=WAIT_S + ROUNDS / 20) as inside, asyncio.TaskGroup() as tasks:
        for number in range(10):
            tasks.create_task(ask(inside, f"client{number}"))
    report(f"{ROUNDS} answers to 10 clients in {time.perf_counter() - asked:.1f} s, each its own")


async def test_of_requests_with_one_id_at_once_in_a_session_the_first_is_answered_and_the_others_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("headgate.server.http.sessions.SETTLING_S", 0.1)
    async with serving() as inside, httpx.AsyncClient(timeout=WAIT_S, headers=ACCEPT) as client:
        hello = await client.post(inside.url, json=request(1, "initialize", INITIALIZE))
        client.headers["mcp-session-id"] = hello.headers["mcp-session-id"]
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(client.post(inside.url, json=call(7, "shop__look", tag="first", s=2)))
            while "first starts" not in inside.shop.events:  # noqa: ASYNC110 - it is in another's hands
                await asyncio.sleep(0.01)
            others = [await client.post(inside.url, json=call(number, "shop__look", tag="x")) for number in (7, "7")]
        after = await client.post(inside.url, json=call(7, "shop__look", tag="after"))

    assert answer_in(first.result())["result"]["structuredContent"] == {"tag": "first"}
    assert [(other.status_code, answer_in(other)["error"]["code"]) for other in others] == [(400, -32600)] * 2
    assert answer_in(after)["result"]["structuredContent"] == {"tag": "after"}
    assert "x starts" not in inside.shop.events


@pytest.mark.parametrize("how", ["in a session", "without one", "newer era"])
async def test_half_an_emoji_in_a_request_is_a_character_that_is_not_known(how: str) -> None:
    message = call(2, "shop__look", tag="cut \ud83d")
    headers = {**ACCEPT, "content-type": "application/json"}
    if how == "newer era":
        message["params"]["_meta"] = NEW_ERA
        headers |= {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "shop__look"}
    async with serving() as inside, httpx.AsyncClient(timeout=WAIT_S, headers=headers) as client:
        if how == "in a session":
            hello = await client.post(inside.url, json=request(1, "initialize", INITIALIZE))
            client.headers["mcp-session-id"] = hello.headers["mcp-session-id"]
        answer = answer_in(await client.post(inside.url, content=json.dumps(message).encode()))

    assert answer["result"]["structuredContent"] == {"tag": "cut \ufffd"}


async def test_an_idle_client_that_was_let_go_reconnects_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.server.http.server.KEEP_ALIVE_S", 0.1)
    async with serving() as inside:
        for mode in ("legacy", "auto"):
            async with mcp.Client(inside.url, mode=mode) as client:
                for tag in ("before", "after"):
                    answer = await client.call_tool("shop__look", {"tag": tag})
                    assert answer.structured_content == {"tag": tag}
                    await asyncio.sleep(0.4)
        assert inside.connections == 0


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize(
    ("calls", "events"),
    [
        ([look("first", 30), look("then", depends_on=["first"])], ["first starts", "first is cancelled"]),
        ([pay("first", 0.5), look("then")], ["first starts", "first ends"]),
    ],
)
async def test_a_client_that_vanishes_in_the_middle_of_a_batch_leaves_nothing_running(
    version: str, calls: list[dict[str, Any]], events: list[str]
) -> None:
    message = call(1, "batch_call", calls=calls)
    message["params"]["_meta"] = NEW_ERA if version == "2026-07-28" else {}
    body = json.dumps(message).encode()
    headers = f"mcp-protocol-version: {version}\r\nmcp-method: tools/call\r\nmcp-name: batch_call\r\n"
    async with serving(serve=limited()) as inside, wires(inside, 1) as ((_, writer),):
        before = owned_tasks()
        writer.write(HEAD + headers.encode() + b"accept: application/json, text/event-stream\r\n")
        writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)
        async with asyncio.timeout(WAIT_S):
            while "first starts" not in inside.shop.events:  # noqa: ASYNC110 - it is in another's hands
                await asyncio.sleep(0.01)
            writer.transport.abort()
            while owned_tasks() - before:  # noqa: ASYNC110 - tasks of many owners
                await asyncio.sleep(0.01)
        assert inside.connections == 0

    assert inside.shop.events == events


async def test_a_client_is_told_at_the_start_that_lists_may_change_else_it_would_not_listen() -> None:
    async with serving(serve=limited()) as inside:
        opened = answer_in(await Asking(inside).post(request(1, "initialize", INITIALIZE)))

    said = opened["result"]["capabilities"]
    assert [said[kind]["listChanged"] for kind in ("tools", "prompts", "resources")] == [True] * 3


async def test_a_client_that_vanishes_from_its_session_leaves_nothing_running_and_then_no_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("headgate.server.http.sessions.IDLE_S", 0.5)
    body = json.dumps(call(2, "batch_call", calls=[look("first", 30), look("then", depends_on=["first"])])).encode()
    async with serving(serve=limited()) as inside, wires(inside, 1) as ((_, writer),):
        before = owned_tasks()
        opened = await Asking(inside).post(request(1, "initialize", INITIALIZE))
        headers = ACCEPT | {"mcp-session-id": opened.headers["mcp-session-id"], "content-length": str(len(body))}
        writer.write(HEAD + "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode())
        writer.write(b"\r\n" + body)
        async with asyncio.timeout(WAIT_S):
            while "first starts" not in inside.shop.events:  # noqa: ASYNC110 - it is in another's hands
                await asyncio.sleep(0.01)
            writer.transport.abort()
            while owned_tasks() - before:  # noqa: ASYNC110 - tasks of many owners
                await asyncio.sleep(0.01)

    assert inside.shop.events == ["first starts", "first is cancelled"]


async def test_what_a_client_listens_on_ends_with_the_server_and_what_it_asked_is_answered() -> None:
    loop = asyncio.get_running_loop()
    async with serving() as inside, asyncio.TaskGroup() as tasks:
        for mode in ("legacy", "auto"):
            tasks.create_task(_listen_and_ask(inside, mode))
        while not {"legacy starts", "auto starts"} <= {*inside.shop.events}:  # noqa: ASYNC110 - it is in another's hands
            await asyncio.sleep(0.01)
        inside.server.stop()
        asked = loop.time()

    assert {"legacy ends", "auto ends"} <= {*inside.shop.events}
    assert loop.time() - asked < ServeSettings().drain_s / 2


async def _listen_and_ask(inside: Inside, mode: Any) -> None:
    answers: list[Any] = []
    with contextlib.suppress(Exception):  # taking its leave of a server that has gone
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(mcp.Client(inside.url, mode=mode))
            await client.list_tools()  # or it would ask for them once it has its answer
            if mode == "auto":
                await stack.enter_async_context(client.listen(tools_list_changed=True))
            answers.append(await client.call_tool("shop__look", {"tag": mode, "s": 1}))
    assert [answer.structured_content for answer in answers] == [{"tag": mode}]


def owned_tasks() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if not is_watcher(task)}
