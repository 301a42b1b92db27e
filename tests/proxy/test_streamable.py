"""Streamable HTTP as the protocol has it: streams that end and are taken up again, and what is said unasked."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from tests.proxy.faulty import Faulty, Raw, faulty_server, reply

from headgate.proxy import http_stream
from headgate.proxy.connection import CallFailedError, Connection, Opening
from headgate.proxy.event_stream import Event
from headgate.proxy.http import http_opener
from headgate.proxy.http_stream import Place
from headgate.proxy.target import HttpTarget

NOTHING: dict[str, Any] = {"content": []}
CHANGED = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}


def event(message: object, identity: str = "", more: str = "") -> str:
    """An event; the id of the call goes where `ID` stands."""
    data = "" if message is None else json.dumps(message).replace('"ID"', "ID")
    return (f"id: {identity}\n" if identity else "") + more + f"data: {data}\n\n"


ANSWER = {"jsonrpc": "2.0", "id": "ID", "result": NOTHING}


def stream(*events: str, cut: bool = False, stays_s: float = 0.0) -> Raw:
    """A stream of these events, which then ends, or is cut."""

    async def write(identity: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n")
        for one in events:
            writer.write(one.replace("ID", str(identity)).encode())
            await writer.drain()
        await asyncio.sleep(stays_s)
        if cut:
            writer.transport.abort()
        writer.close()

    return write


@asynccontextmanager
async def opened(changed: anyio.Event | None = None) -> AsyncGenerator[tuple[Faulty, Connection]]:
    async with asyncio.timeout(20), faulty_server() as server:
        news = (lambda: None) if changed is None else changed.set
        async with http_opener(HttpTarget(server.url), 4)(Opening("far", news)) as connection:
            await server.no_news.wait()
            yield server, connection


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
async def test_an_answer_comes_as_an_event_among_others(line_end: str) -> None:
    progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}
    other = {"jsonrpc": "2.0", "id": 999_999, "result": {"content": ["of somebody else"]}}
    events = [event(progress), ": a comment\n\n", event(other), "event: other\ndata: x\n\n", event(ANSWER)]
    async with opened() as (server, connection):
        server.raw["ask"] = stream(*(one.replace("\n", line_end) for one in events))
        assert await connection.call_tool("ask", {}) == NOTHING


async def test_what_nobody_asked_for_is_let_go_before_an_answer_if_it_holds_much() -> None:
    much: list[list[int]] = [[]] * 500_000
    news = event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": much}})
    other = event({"jsonrpc": "2.0", "result": {"content": much}, "id": 999_999})
    async with opened() as (server, connection):
        server.raw["ask"] = stream(news, other, event(ANSWER))
        assert await connection.call_tool("ask", {}) == NOTHING


async def test_an_answer_in_many_small_pieces_and_lines_is_one() -> None:
    text = "data: " + json.dumps(ANSWER, indent=1).replace('"ID"', "ID").replace("\n", "\ndata: ") + "\n\n"
    async with opened() as (server, connection):
        server.raw["ask"] = stream(*text.replace("ID", "\0").replace("\0", "ID").partition("ID"))
        assert await connection.call_tool("ask", {}) == NOTHING


@pytest.mark.parametrize("cut", [False, True])
async def test_a_stream_that_ends_early_is_taken_up_where_it_ended(cut: bool) -> None:  # noqa: FBT001 - a case
    primed = event(None, "e-1", "retry: 10\n")
    async with opened() as (server, connection):
        server.raw["ask"] = stream(primed, cut=cut)
        answer = {**ANSWER, "id": 0}

        async def later(_identity: object, writer: asyncio.StreamWriter) -> None:
            asked = server.asked[-1]
            await stream(event({**answer, "id": asked}, "e-2"))(None, writer)

        server.streams = [stream(event(None, "e-1b")), later]
        assert await connection.call_tool("ask", {}) == NOTHING
        assert server.resumed_after == ["e-1", "e-1b"]
        assert server.arrived == ["ask"]


async def test_a_stream_that_cannot_be_taken_up_leaves_its_write_unknown() -> None:
    async with opened() as (server, connection):
        server.raw["ask"] = stream(event(None, "e-1", "retry: 10\n"))
        with pytest.raises(CallFailedError) as failed:
            await connection.call_tool("ask", {})
        assert (str(failed.value), failed.value.sent) == ("its stream ended without an answer", True)
        assert await connection.call_tool("ok", {}) == NOTHING


async def test_a_stream_is_taken_up_so_often_and_no_oftener() -> None:
    async with opened() as (server, connection):
        server.raw["ask"] = stream(event(None, "e-1", "retry: 1\n"))
        server.streams = [stream() for _ in range(20)]
        with pytest.raises(CallFailedError, match="ended without an answer"):
            await connection.call_tool("ask", {})
        assert server.resumed_after == ["e-1"] * 3


def test_a_stream_in_which_nothing_is_said_for_weeks_is_opened_again_and_again() -> None:
    place = Place()
    waits = [place.wait_s() for _ in range(5_000)]
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert waits[-1] == 60


def test_an_upstream_that_wants_to_be_asked_again_at_once_is_given_a_moment() -> None:
    place = Place()
    place.note(Event("message", b"", retry_s=0.0))
    assert place.wait_s() == 0.01


async def test_what_an_upstream_asks_during_a_call_is_answered_beside_it() -> None:
    ping = {"jsonrpc": "2.0", "id": "p-1", "method": "ping"}
    sample: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": "s-1",
        "method": "sampling/createMessage",
        "params": {"messages": [], "maxTokens": 1},
    }
    async with opened() as (server, connection):
        server.raw["ask"] = stream(event(ping), event(sample), event(ANSWER))
        assert await connection.call_tool("ask", {}) == NOTHING
        while len(server.said) < 2:  # noqa: ASYNC110 - bounded by `opened`
            await asyncio.sleep(0.01)
        said = {message["id"]: message for message in server.said}
        assert said["p-1"]["result"] == {}
        assert "error" in said["s-1"]


async def test_what_an_upstream_says_unasked_is_heard_and_a_lost_stream_opened_again() -> None:
    changed = anyio.Event()
    async with faulty_server() as server, asyncio.timeout(20):
        server.streams = [stream(event(CHANGED, "n-1", "retry: 10\n")), stream(stays_s=0.5)]
        heard: list[None] = []

        def news() -> None:
            heard.append(None)
            if len(heard) == 2:
                changed.set()

        async with http_opener(HttpTarget(server.url), 4)(Opening("far", news)) as connection:
            await changed.wait()
            assert await connection.call_tool("ok", {}) == NOTHING
        assert server.resumed_after == ["", "n-1"]


async def test_a_stream_that_is_refused_in_passing_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_identity: object, writer: asyncio.StreamWriter) -> None:
        await reply(writer, "429 Too Many Requests", b"", "text/plain")

    monkeypatch.setattr(http_stream, "_RESUME_AFTER_S", 0.01)
    changed = anyio.Event()
    async with asyncio.timeout(20), faulty_server() as server:
        server.streams = [refuse, stream(event(CHANGED), stays_s=5)]
        async with http_opener(HttpTarget(server.url), 4)(Opening("far", changed.set)):
            await changed.wait()


async def test_a_flood_of_questions_does_not_pile_up() -> None:
    ping = {"jsonrpc": "2.0", "id": "p", "method": "ping"}
    async with opened() as (server, connection):
        server.hang_courtesies = True
        server.raw["ask"] = stream(*(event(ping) for _ in range(2_000)), event(ANSWER))
        assert await connection.call_tool("ask", {}) == NOTHING
        await asyncio.sleep(0.1)
        assert len(asyncio.all_tasks()) < 200
        assert await connection.call_tool("ok", {}) == NOTHING


async def test_in_the_newer_era_a_request_says_in_its_headers_what_it_is_and_leaving_it_ends_it() -> None:
    async with faulty_server() as server, asyncio.timeout(20):
        server.modern = True
        async with http_opener(HttpTarget(server.url), 4)(Opening("far", lambda: None)) as connection:
            assert await connection.call_tool("ok", {}) == NOTHING
            sent = server.headers[-1]
            assert sent["mcp-protocol-version"] == "2026-07-28"
            assert (sent["mcp-method"], sent["mcp-name"]) == ("tools/call", "ok")
            assert "mcp-session-id" not in sent
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await connection.call_tool("hang", {})
            await server.left.wait()
        assert server.said == []
        assert server.deleted == 0


async def test_arguments_that_a_tool_wants_in_headers_are_there() -> None:
    async with faulty_server() as server, asyncio.timeout(20):
        server.modern = True
        region = {"type": "string", "x-mcp-header": "Region"}
        wrong = {"type": "object", "x-mcp-header": "Whole"}
        server.tools = [
            {"name": "ok", "inputSchema": {"type": "object", "properties": {"region": region}}},
            {"name": "slow", "inputSchema": {"type": "object", "properties": {"all": wrong}}},
            "not a tool",
        ]
        async with http_opener(HttpTarget(server.url), 4)(Opening("far", lambda: None)) as connection:
            await connection.list_tools()
            await connection.call_tool("ok", {"region": "eu\nX-Evil: 1"}, headers={"X-Own": "mine"})
            sent = server.headers[-1]
            await connection.call_tool("slow", {"all": {}})
    assert sent["mcp-param-region"] == "=?base64?ZXUKWC1FdmlsOiAx?=".lower()
    assert sent["x-own"] == "mine"
    assert "x-evil" not in sent
    assert not [name for name in server.headers[-1] if name.startswith("mcp-param")]


async def test_an_upstream_that_has_come_back_in_another_era_is_spoken_to_anew() -> None:
    async with faulty_server() as server, asyncio.timeout(20):
        server.modern = True
        async with http_opener(HttpTarget(server.url), 4)(Opening("far", lambda: None)) as connection:
            unsupported: dict[str, Any] = {
                "code": -32022,
                "message": "Unsupported protocol version",
                "data": {"supported": []},
            }

            async def refuse(identity: object, writer: asyncio.StreamWriter) -> None:
                error = {"jsonrpc": "2.0", "id": identity, "error": unsupported}
                await reply(writer, "400 Bad Request", json.dumps(error).encode())

            server.raw["ask"] = refuse
            with pytest.raises(CallFailedError) as failed:
                await connection.call_tool("ask", {})
            assert not failed.value.sent
            assert await connection.closed() == "the upstream no longer knows the session"
