"""Servers over HTTP: what goes wrong with one call stays with it, and what is lost comes back by itself."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.proxy.faulty import faulty_server, reply
from tests.proxy.loops import on_each_loop
from tests.proxy.misbehaving import SECRET
from tests.proxy.parts import all_at_once, attempt, tool
from tests.timings import SLACK_S
from tests.upstreams.running import recorder_served

from headgate.proxy.connection import CallFailedError, Connection, Open, Opening
from headgate.proxy.http import http_opener
from headgate.proxy.replica import reason_of
from headgate.proxy.sse import sse_opener
from headgate.proxy.target import HttpTarget
from headgate.proxy.upstream import Upstream
from headgate.tools.rules import ToolClass, UpstreamRules

Transport = Literal["streamable-http", "sse"]


def opener(target: HttpTarget, concurrency: int) -> Open:
    return (sse_opener if target.transport == "sse" else http_opener)(target, concurrency)


both_transports = pytest.mark.parametrize("transport", ["streamable-http", "sse"])


@pytest.fixture(scope="module", params=["streamable-http", "sse"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[HttpTarget]:
    log = tmp_path_factory.mktemp("recorder") / "log.jsonl"
    with recorder_served(log, "sse" if request.param == "sse" else "http") as url:
        yield HttpTarget(url, transport=request.param)


@asynccontextmanager
async def opened(target: HttpTarget) -> AsyncGenerator[Connection]:
    async with asyncio.timeout(20), opener(target, 64)(Opening("far", lambda: None)) as connection:
        yield connection


async def wait(connection: Connection, ms: int, tag: str = "") -> Any:
    return (await connection.call_tool("wait", {"ms": ms, "tag": tag}))["structuredContent"]


@on_each_loop
async def test_calls_work_side_by_side_and_each_gets_its_own_answer(served: HttpTarget) -> None:
    async with opened(served) as connection:
        assert {one["name"] for one in await connection.list_tools()} >= {"wait", "write"}
        started = time.monotonic()
        answers = await all_at_once(*(wait(connection, 300, str(n)) for n in range(50)))
        assert [answer["tag"] for answer in answers] == [str(n) for n in range(50)]
        assert time.monotonic() - started < 3 + SLACK_S


async def test_a_call_is_left_at_once_when_it_is_cancelled_and_its_siblings_go_on(served: HttpTarget) -> None:
    async with opened(served) as connection, asyncio.TaskGroup() as tasks:
        sibling = tasks.create_task(wait(connection, 800, "sibling"))
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await wait(connection, 30_000)
        assert time.monotonic() - started < 0.4 + SLACK_S
        assert (await sibling)["tag"] == "sibling"
        assert (await wait(connection, 0, "after"))["tag"] == "after"


async def test_an_answer_of_3_mb_arrives_whole(served: HttpTarget) -> None:
    async with opened(served) as connection:
        result = await connection.call_tool("big", {"bytes": 3_000_000})
        assert len(result["content"][0]["text"]) == 3_000_000


async def test_an_answer_beyond_the_limit_fails_its_call_alone(served: HttpTarget) -> None:
    make = sse_opener if served.transport == "sse" else http_opener
    async with asyncio.timeout(20), make(served, 8, 100_000)(Opening("far", lambda: None)) as connection:
        sibling, failure = await all_at_once(wait(connection, 200, "s"), _failure(connection, "big", bytes=300_000))
        assert (failure.code, failure.sent) == ("RESULT_TOO_LARGE", True)
        assert "0.1 MB is the limit" in str(failure)
        assert sibling["tag"] == "s"
        assert (await wait(connection, 0, "after"))["tag"] == "after"


async def test_the_sessions_end_ends_what_is_under_way(served: HttpTarget) -> None:
    async with asyncio.TaskGroup() as tasks:
        async with opened(served) as connection:
            pending = [tasks.create_task(_failure(connection, "wait", ms=20_000, tag="")) for _ in range(5)]
            await wait(connection, 100)
            started = time.monotonic()
        for task in pending:
            assert (await task).sent
        assert time.monotonic() - started < 3 + SLACK_S


async def _failure(connection: Connection, name: str, **arguments: object) -> CallFailedError:
    with pytest.raises(CallFailedError) as failed:
        await connection.call_tool(name, arguments)
    return failed.value


@pytest.mark.parametrize(
    ("fault", "read", "write"),
    [
        ("reset", "UPSTREAM_ERROR", "OUTCOME_UNKNOWN"),
        ("cut", "UPSTREAM_ERROR", "OUTCOME_UNKNOWN"),
        ("cut_stream", "UPSTREAM_ERROR", "OUTCOME_UNKNOWN"),
        ("500", "UPSTREAM_ERROR", "OUTCOME_UNKNOWN"),
        ("502", "UPSTREAM_ERROR", "OUTCOME_UNKNOWN"),
        ("504", "UPSTREAM_ERROR", "OUTCOME_UNKNOWN"),
        ("error_as_json", "UPSTREAM_ERROR", "OUTCOME_UNKNOWN"),
        ("503", "UPSTREAM_UNAVAILABLE", "OUTCOME_UNKNOWN"),
        ("429", "RATE_LIMITED", "RATE_LIMITED"),
        ("403", "UPSTREAM_ERROR", "UPSTREAM_ERROR"),
        ("rpc_error", "UPSTREAM_ERROR", "UPSTREAM_ERROR"),
        ("page", "UPSTREAM_ERROR", "OUTCOME_UNKNOWN"),
        ("garbage", "UPSTREAM_ERROR", "OUTCOME_UNKNOWN"),
    ],
)
async def test_what_meets_one_call_stays_with_it(fault: str, read: str, write: str) -> None:
    async with faulty_server() as server, opened(HttpTarget(server.url)) as connection:
        sibling, failure = await all_at_once(connection.call_tool("slow", {}), _failure(connection, fault))
        assert sibling == {"content": []}
        assert (failure.failure("read").code, failure.failure("write").code) == (read, write)
        assert "<" not in str(failure)
        assert await connection.call_tool("ok", {}) == {"content": []}
        assert server.sessions == 1


async def test_a_call_that_is_left_is_cancelled_over_there() -> None:
    async with faulty_server() as server, opened(HttpTarget(server.url)) as connection:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await connection.call_tool("hang", {})
        async with asyncio.timeout(5):
            await server.cancelled.wait()


async def test_a_refused_connection_is_an_error_that_was_never_sent() -> None:
    async with faulty_server() as server:
        opening = http_opener(HttpTarget(server.url), 4)(Opening("far", lambda: None))
        connection = await opening.__aenter__()
    failure = await _failure(connection, "ok")
    assert not failure.sent
    assert str(failure) == "cannot connect to 127.0.0.1 (ConnectError)"
    async with asyncio.timeout(5):
        await opening.__aexit__(None, None, None)


async def test_a_goodbye_that_nobody_answers_does_not_hold_up_the_end() -> None:
    async with faulty_server() as server:
        server.hang_goodbye = True
        async with opened(HttpTarget(server.url)) as connection:
            assert await connection.call_tool("ok", {}) == {"content": []}
            started = time.monotonic()
        assert server.deleted == 1
        assert time.monotonic() - started < 2 + SLACK_S


@asynccontextmanager
async def owned(target: HttpTarget) -> AsyncGenerator[Upstream]:
    upstream = Upstream("far", UpstreamRules(), opener(target, 16), lambda: None)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(upstream.run())
        try:
            yield upstream
        finally:
            owner.cancel()


def calling(name: str, kind: ToolClass = "read", **arguments: object) -> Any:
    made = attempt(tool(name, kind, upstream="far"), 10)
    made.arguments = arguments
    return made


@pytest.mark.parametrize("forgotten", ["404", "400", "400 in words"])
async def test_calls_over_a_forgotten_session_go_on_over_a_new_one_and_none_runs_twice(forgotten: str) -> None:
    async with faulty_server() as server, owned(HttpTarget(server.url)) as upstream:
        assert await upstream.call(calling("ok")) == {"content": []}
        server.forgotten = forgotten
        server.known.clear()
        answers = await all_at_once(*(upstream.call(calling("ok", n=n)) for n in range(5)))
        assert answers == [{"content": []}] * 5
        assert server.sessions == 2
        assert server.arrived == ["ok"] * 6


async def test_a_session_that_cannot_be_named_again_is_told() -> None:
    async with faulty_server() as server:
        server.session_name = "sitzung-für-headgate"
        with pytest.raises(BaseExceptionGroup) as failed:
            await opener(HttpTarget(server.url), 4)(Opening("far", lambda: None)).__aenter__()
    assert reason_of(failed.value).endswith("its session ID is not ASCII, so it could not be sent back")


async def test_a_tools_own_error_that_speaks_of_a_session_id_ends_no_session() -> None:
    async def refuse(identity: object, writer: asyncio.StreamWriter) -> None:
        error = {"code": -32602, "message": "no browser has this session ID"}
        said = {"jsonrpc": "2.0", "id": identity, "error": error}
        await reply(writer, "400 Bad Request", json.dumps(said).encode())

    async with faulty_server() as server, opened(HttpTarget(server.url)) as connection:
        server.raw["look"] = refuse
        sibling, failure = await all_at_once(connection.call_tool("slow", {}), _failure(connection, "look"))
        assert sibling == await connection.call_tool("ok", {}) == {"content": []}
        assert (str(failure), failure.sent) == ("no browser has this session ID", False)
        assert server.sessions == 1


async def test_what_an_upstream_still_does_when_its_session_is_gone_is_unknown() -> None:
    async with faulty_server() as server, owned(HttpTarget(server.url)) as upstream:
        await upstream.settled()
        async with asyncio.TaskGroup() as tasks:
            stuck = tasks.create_task(_owned_failure(upstream, calling("hang", "write")))
            async with asyncio.timeout(5):
                await server.hanging.wait()
            server.known.clear()
            assert await upstream.call(calling("ok")) == {"content": []}
        assert str(stuck.result()) == "the upstream is gone: the upstream no longer knows the session"
        assert stuck.result().failure("write").code == "OUTCOME_UNKNOWN"


async def _owned_failure(upstream: Upstream, call: Any) -> CallFailedError:
    with pytest.raises(CallFailedError) as failed:
        await upstream.call(call)
    return failed.value


async def _comes_back(upstream: Upstream, **arguments: Any) -> None:
    name = "wait" if arguments else "ok"
    async with asyncio.timeout(15):
        while True:
            try:
                await upstream.call(calling(name, **arguments))
            except CallFailedError:
                await asyncio.sleep(0.05)
            else:
                return


@both_transports
async def test_a_server_that_is_restarted_is_found_again_by_itself(transport: Transport, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kind: Literal["http", "sse"] = "sse" if transport == "sse" else "http"
    with ExitStack() as stack:
        url = stack.enter_context(recorder_served(tmp_path / "log", kind, port))
        async with owned(HttpTarget(url, transport=transport)) as upstream:
            await upstream.call(calling("wait", ms=0, tag="before"))
            stack.close()
            with pytest.raises(CallFailedError):
                await upstream.call(calling("wait", ms=0, tag="meanwhile"))
            with recorder_served(tmp_path / "log", kind, port):
                await _comes_back(upstream, ms=0, tag="after")


@both_transports
async def test_what_cannot_be_reached_is_said_in_a_plain_sentence(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with owned(HttpTarget(f"http://127.0.0.1:{port}/mcp", transport=transport)) as upstream:
        await upstream.settled()
        assert upstream.state.reason is not None
        assert upstream.state.reason.endswith("cannot connect to 127.0.0.1 (ConnectError)")


async def test_a_server_that_refuses_us_is_told_by_its_status_and_no_token_is_shown() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"jsonrpc": "2.0", "id": null, "error": {"code": 1, "message": "bad token ' + SECRET.encode() + b'"}}'
        head = f"HTTP/1.1 401 No\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
        async with owned(HttpTarget(url, {"Authorization": f"Bearer {SECRET}"})) as upstream:
            await upstream.settled()
            refused = "the upstream refused the credentials (HTTP 401)"
            assert upstream.state.reason == f"it does not complete the MCP handshake: {refused}"
        async with owned(HttpTarget(url, {"Authorization": f"Bearer {SECRET}"}, "sse")) as upstream:
            await upstream.settled()
            assert upstream.state.reason == refused


async def test_what_an_upstream_repeats_of_what_it_was_given_is_hidden() -> None:
    async def complain(identity: object, writer: asyncio.StreamWriter) -> None:
        said = f"no {SECRET}, no pass-1, no key-2"
        error = {"jsonrpc": "2.0", "id": identity, "error": {"code": -32001, "message": said}}
        await reply(writer, "200 OK", json.dumps(error).encode())

    async with faulty_server() as server:
        server.raw["ask"] = complain
        url = server.url.replace("127", "user:pass-1@127")
        target = HttpTarget(url, {"X-Token": SECRET}, hidden=frozenset(("key-2",)))
        async with opened(target) as connection:
            assert str(await _failure(connection, "ask")) == "no •••, no •••, no •••"


def test_a_target_shows_no_secret() -> None:
    assert SECRET not in repr(HttpTarget("http://x", {"Authorization": f"Bearer {SECRET}"}))
