"""What an upstream can answer over HTTP that is no answer: said in words, bounded, and that one call's alone."""

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from tests.proxy.faulty import Faulty, Raw, faulty_server, reply
from tests.proxy.misbehaving import SECRET
from tests.proxy.parts import all_at_once, attempt, tool
from tests.timings import SLACK_S

from headgate.proxy import http
from headgate.proxy.connection import MAX_ANSWER, CallFailedError, Connection, Opening
from headgate.proxy.http import http_opener
from headgate.proxy.limits import Limits
from headgate.proxy.path import call_path
from headgate.proxy.target import HttpTarget
from headgate.tools.rules import UpstreamRules

NOTHING: dict[str, Any] = {"content": []}
JSON = "Content-Type: application/json\r\n"
EVENTS = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
MB = 1024 * 1024


def raw(head: str, body: bytes, *, status: str = "200 OK") -> Raw:
    """A response that is written as it stands, `ID` in it replaced; then the connection is closed."""

    async def write(identity: object, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body.replace(b"ID", str(identity).encode()))
        await writer.drain()
        writer.close()

    return write


def sized(body: bytes, head: str = JSON) -> Raw:
    async def write(identity: object, writer: asyncio.StreamWriter) -> None:
        answer = body.replace(b"ID", str(identity).encode())
        await raw(f"{head}Content-Length: {len(answer)}\r\n", answer)(identity, writer)

    return write


def endless(head: str, begin: bytes = b"") -> Raw:
    """A response of chunks that goes on until the connection is closed."""

    async def write(_identity: object, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\n{head}Transfer-Encoding: chunked\r\n\r\n".encode() + begin)
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()

    return write


@asynccontextmanager
async def opened(**answers: Raw) -> AsyncGenerator[tuple[Faulty, Connection]]:
    """A server whose tools answer so, and a session with it."""
    async with asyncio.timeout(30), faulty_server() as server:
        server.raw = answers
        target = HttpTarget(server.url, {"Authorization": f"Bearer {SECRET}"})
        async with http_opener(target, 16)(Opening("far", lambda: None)) as connection:
            yield server, connection


async def failure_of(connection: Connection, name: str = "bad") -> CallFailedError:
    with pytest.raises(CallFailedError) as failed:
        await connection.call_tool(name, {})
    return failed.value


async def failure_among_siblings(answer: Raw) -> CallFailedError:
    """How a call fails that is answered so, once its sibling and a later call were seen unharmed."""
    async with opened(bad=answer) as (server, connection):
        sibling, failure = await all_at_once(connection.call_tool("slow", {}), failure_of(connection))
        assert sibling == NOTHING
        assert await connection.call_tool("ok", {}) == NOTHING
        assert server.sessions == 1
        return failure


def status(line: str, more: str = "", body: bytes = b"<html>token " + SECRET.encode() + b"</html>") -> Raw:
    async def write(_identity: object, writer: asyncio.StreamWriter) -> None:
        await reply(writer, line, body, "text/html", more)

    return write


@pytest.mark.parametrize(
    ("line", "code", "sent", "transient"),
    [
        ("400 Bad", "UPSTREAM_ERROR", False, False),
        ("401 No", "UPSTREAM_ERROR", False, False),
        ("403 No", "UPSTREAM_ERROR", False, False),
        ("408 Late", "UPSTREAM_ERROR", True, True),
        ("425 Early", "UPSTREAM_ERROR", False, True),
        ("429 Slow", "RATE_LIMITED", False, True),
        ("500 Oh", "UPSTREAM_ERROR", True, True),
        ("502 Oh", "UPSTREAM_ERROR", True, True),
        ("503 Oh", "UPSTREAM_UNAVAILABLE", True, True),
        ("504 Oh", "UPSTREAM_ERROR", True, True),
    ],
)
async def test_a_status_says_whether_the_call_ran_and_whether_it_may_succeed_again(
    line: str, code: str, *, sent: bool, transient: bool
) -> None:
    failure = await failure_among_siblings(status(line, "Retry-After: 7\r\n"))
    assert (failure.code, failure.sent, failure.transient) == (code, sent, transient)
    assert failure.retry_after_s == (7.0 if transient else None)
    assert f"(HTTP {line[:3]})" in str(failure) or str(failure).endswith(f"HTTP {line[:3]}")
    assert SECRET not in str(failure)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0.0), ("-5", 0.0), ("1000000000", 3600.0), ("soon", None), (formatdate(0, usegmt=True), 0.0), ("", None)],
)
async def test_what_is_said_of_when_to_come_back_is_clamped_and_nonsense_ignored(
    header: str, seconds: float | None
) -> None:
    async with opened(bad=status("429 Slow", f"Retry-After: {header}\r\n")) as (_, connection):
        assert (await failure_of(connection)).retry_after_s == seconds


async def test_a_date_to_come_back_at_is_understood() -> None:
    header = formatdate(time.time() + 90, usegmt=True)
    async with opened(bad=status("503 Oh", f"Retry-After: {header}\r\n")) as (_, connection):
        wait_s = (await failure_of(connection)).retry_after_s
    assert wait_s is not None
    assert 80 < wait_s <= 91


ANSWER = b'{"jsonrpc": "2.0", "id": ID, "result": {"content": [%s]}}'
NO_ANSWERS: dict[str, tuple[Raw, str]] = {
    "html": (sized(b"<html>log in</html>", "Content-Type: text/html\r\n"), "its answer is not JSON (text/html)"),
    "no type": (sized(b"{}", ""), "its answer is not JSON (no content type)"),
    "odd type": (sized(b"{}", "Content-Type: <script>\r\n"), "its answer is not JSON (<script>)"),
    "empty": (sized(b""), "its answer is not valid JSON"),
    "text": (sized(b"hello"), "its answer is not valid JSON"),
    "list": (sized(b"[]"), "its answer is not valid JSON"),
    "invalid UTF-8": (sized(ANSWER % b'"\xff\xfe"'), "its answer is not valid JSON"),
    "NaN": (sized(ANSWER % b"NaN"), "its answer is not valid JSON"),
    "1e400": (sized(ANSWER % b"1e400"), "its answer is not valid JSON"),
    "an integer of a million digits": (sized(ANSWER % (b"9" * 1_000_000)), "its answer is not valid JSON"),
    "nested too deep": (sized(ANSWER % (b"[" * 100_000 + b"]" * 100_000)), "its answer is not valid JSON"),
    "never closed": (sized(b"[" * 100_000), "its answer is not valid JSON"),
    "to another": (sized(b'{"jsonrpc": "2.0", "id": 777, "result": {}}'), "its answer is not one to this request"),
    "a request": (sized(b'{"jsonrpc": "2.0", "id": ID, "method": "x"}'), "its answer is not one to this request"),
    "accepted only": (
        raw("Content-Length: 0\r\n", b"", status="202 Accepted"),
        "it took the request but gives no answer",
    ),
    "not gzip": (sized(b"{}", f"{JSON}Content-Encoding: gzip\r\n"), "its answer cannot be decompressed"),
    "cut gzip": (
        sized(gzip.compress(b'{"jsonrpc": "2.0"}')[:-9], f"{JSON}Content-Encoding: gzip\r\n"),
        "its answer cannot be decompressed",
    ),
    "br": (sized(b"{}", f"{JSON}Content-Encoding: br\r\n"), "its answer is compressed in a way that was not asked for"),
    "zstd": (
        sized(b"{}", f"{JSON}Content-Encoding: gzip, zstd\r\n"),
        "its answer is compressed in a way that was not asked for",
    ),
    "too short": (raw(f"{JSON}Content-Length: 500\r\n", b"{"), "the connection broke (RemoteProtocolError)"),
    "cut chunk": (
        raw(f"{JSON}Transfer-Encoding: chunked\r\n", b"ff\r\n{"),
        "the connection broke (RemoteProtocolError)",
    ),
    "bad chunk": (
        raw(f"{JSON}Transfer-Encoding: chunked\r\n", b"zz\r\n{}"),
        "the connection broke (RemoteProtocolError)",
    ),
    "two lengths": (
        raw(f"{JSON}Content-Length: 2\r\nContent-Length: 3\r\n", b"{}"),
        "the connection broke (RemoteProtocolError)",
    ),
    "no HTTP": (raw("", b"", status="\0\1\2"), "the connection broke (RemoteProtocolError)"),
    "endless header": (raw("X: " + "x" * 200_000 + "\r\n", b""), "the connection broke (RemoteProtocolError)"),
    "silent stream": (raw("Content-Type: text/event-stream\r\n", b": hello\n\n"), "its stream ended without an answer"),
    "garbled stream": (raw("Content-Type: text/event-stream\r\n", b"data: {\xff\n\n"), "its answer is not valid JSON"),
}


@pytest.mark.parametrize(("answer", "words"), NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
async def test_what_is_no_answer_fails_its_call_in_words_and_nothing_else(answer: Raw, words: str) -> None:
    failure = await failure_among_siblings(answer)
    assert (failure.code, str(failure), failure.sent) == ("UPSTREAM_ERROR", words, True)


async def test_an_answer_longer_than_it_says_is_cut_there_and_the_rest_is_nobodys() -> None:
    async def write(_identity: object, writer: asyncio.StreamWriter) -> None:
        await reply(writer, "200 OK", b"", more="Content-Length: 0\r\n")
        await reply(writer, "200 OK", ANSWER % b"")

    async with opened(bad=write) as (_, connection):
        for _ in range(3):
            assert str(await failure_of(connection)) == "its answer is not valid JSON"
            assert await connection.call_tool("ok", {}) == NOTHING


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("", bytes), ("identity", bytes), ("GZIP", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)],
)
async def test_an_answer_may_be_packed_in_what_was_asked_for(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    async def write(identity: object, writer: asyncio.StreamWriter) -> None:
        body = pack((ANSWER % b"").replace(b"ID", str(identity).encode()))
        await reply(writer, "200 OK", body, more=f"Content-Encoding: {encoding}\r\n")

    async with opened(packed=write) as (_, connection):
        assert await connection.call_tool("packed", {}) == NOTHING


@pytest.mark.parametrize("before", [b"\r\n\t ", b"\xef\xbb\xbf"])
async def test_what_some_programs_write_before_an_answer_is_passed_over(before: bytes) -> None:
    async with opened(odd=sized(before + ANSWER % b"")) as (_, connection):
        assert await connection.call_tool("odd", {}) == NOTHING


async def test_of_keys_that_come_twice_the_last_one_counts() -> None:
    twice = b'{"jsonrpc": "2.0", "id": 1, "id": ID, "result": {"content": [1]}, "result": {"content": []}}'
    async with opened(odd=sized(twice)) as (_, connection):
        assert await connection.call_tool("odd", {}) == NOTHING


def deflated(size: int, wbits: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join([packer.compress(bytes(MB)) for _ in range(size // MB)] + [packer.flush()])


GZIP, DEFLATE = zlib.MAX_WBITS | 16, zlib.MAX_WBITS
BOMBS: dict[str, Raw] = {
    "plain": endless(JSON),
    "declared": raw(f"{JSON}Content-Length: {1024 * MB}\r\n", b"{"),
    "behind gzip": endless(f"{JSON}Content-Encoding: gzip\r\n", b"16\r\n" + gzip.compress(b"{}") + b"\r\n"),
    "gzip": sized(deflated(1024 * MB, GZIP), f"{JSON}Content-Encoding: gzip\r\n"),
    "deflate": sized(deflated(256 * MB, DEFLATE), f"{JSON}Content-Encoding: deflate\r\n"),
    "gzip in gzip": sized(gzip.compress(deflated(1024 * MB, GZIP)), f"{JSON}Content-Encoding: gzip, gzip\r\n"),
    "event": endless("Content-Type: text/event-stream\r\n", b"6\r\ndata: \r\n"),
    "lists": sized(ANSWER % (b"[]," * 2_000_000 + b"[]")),
    "gzipped events": sized(deflated(256 * MB, GZIP), "Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n"),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
async def test_a_bomb_is_not_blown_up_beyond_the_bound(bomb: Raw) -> None:
    peak = Peak()
    async with opened(bad=bomb) as (_, connection):
        await connection.call_tool("ok", {})
        peak.begin()
        failure = await failure_of(connection)
        grown = peak.grown()
        assert await connection.call_tool("ok", {}) == NOTHING
    assert (failure.code, failure.sent) == ("RESULT_TOO_LARGE", True)
    assert str(failure).startswith("its answer is too large: ")
    assert grown <= 3 * MAX_ANSWER


class Peak:
    """How far this process's memory has risen since `begin`, where the system tells; else 0."""

    def begin(self) -> None:
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            self._before = None
        else:
            self._before = self._bytes("VmRSS")

    def grown(self) -> int:
        return 0 if self._before is None else self._bytes("VmHWM") - self._before

    @staticmethod
    def _bytes(name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


async def test_a_body_that_trickles_in_does_not_outlast_the_calls_deadline() -> None:
    async def trickle(_identity: object, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\n{JSON}Content-Length: 1000\r\n\r\n".encode())
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with opened(bad=trickle) as (_, connection):
        send = call_path(Limits(UpstreamRules()), lambda one: _sent(connection, one))
        started = time.monotonic()
        with pytest.raises(CallFailedError) as failed:
            await send(attempt(tool("bad", upstream="far"), 0.4))
        assert failed.value.code == "TOOL_TIMEOUT"
        assert time.monotonic() - started < 1 + SLACK_S
        assert await connection.call_tool("ok", {}) == NOTHING


async def _sent(connection: Connection, one: Any) -> Any:
    one.sent = True
    return await connection.call_tool(one.tool.name, one.arguments)


async def test_calls_beyond_the_pool_wait_for_a_connection_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_SPARE_CONNECTIONS", 4)
    async with asyncio.timeout(20), faulty_server() as server:
        opening = http_opener(HttpTarget(server.url), 1)(Opening("far", lambda: None))
        async with opening as connection:
            answers = await all_at_once(*(connection.call_tool("slow", {}) for _ in range(20)))
    assert answers == [NOTHING] * 20


async def test_a_pool_that_stays_exhausted_is_said_so_and_the_call_is_known_not_to_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "CONNECT_S", 0.3)
    monkeypatch.setattr(http, "_SPARE_CONNECTIONS", 4)
    async with faulty_server() as server:
        opening = http_opener(HttpTarget(server.url), 1)(Opening("far", lambda: None))
        async with asyncio.timeout(20), opening as connection, asyncio.TaskGroup() as tasks:
            stuck = [tasks.create_task(connection.call_tool("hang", {})) for _ in range(5)]
            await asyncio.sleep(0.1)
            failure = await failure_of(connection, "ok")
            for one in stuck:
                one.cancel()
            assert await connection.call_tool("ok", {}) == NOTHING
    assert (failure.code, failure.sent, failure.transient) == ("UPSTREAM_UNAVAILABLE", False, True)
    assert str(failure) == "no connection to 127.0.0.1 has become free"


async def test_an_upstream_that_takes_no_notifications_keeps_no_call_waiting() -> None:
    async with faulty_server() as server:
        server.hang_courtesies = True
        async with http_opener(HttpTarget(server.url), 2)(Opening("far", lambda: None)) as connection:
            for _ in range(10):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await connection.call_tool("hang", {})
            started = time.monotonic()
            assert await all_at_once(*(connection.call_tool("ok", {}) for _ in range(5))) == [NOTHING] * 5
            assert time.monotonic() - started < 0.5 + SLACK_S
