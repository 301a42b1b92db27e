"""What was configured for one server is for no other to see: redirects, and TLS that cannot be trusted."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.proxy.certificate import certificate
from tests.proxy.faulty import Raw, faulty_server, reply
from tests.proxy.misbehaving import SECRET
from tests.proxy.parts import all_at_once

from headgate.proxy.connection import CallFailedError, Connection, Opening
from headgate.proxy.http import client_of, http_opener
from headgate.proxy.http_session import HttpSession
from headgate.proxy.recall import RECALL, Recall
from headgate.proxy.replica import reason_of
from headgate.proxy.sse import sse_opener
from headgate.proxy.target import HttpTarget

HEADERS = {"Authorization": f"Bearer {SECRET}"}


def redirect(status: str, location: str) -> Raw:
    async def write(_identity: object, writer: asyncio.StreamWriter) -> None:
        await reply(writer, status, b"", more=f"Location: {location}\r\n")

    return write


async def failure_of(connection: Connection, name: str) -> CallFailedError:
    with pytest.raises(CallFailedError) as failed:
        await connection.call_tool(name, {})
    return failed.value


@asynccontextmanager
async def listener() -> AsyncGenerator[tuple[str, list[bytes]]]:
    """Another server, and all that anybody ever said to it."""
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(b"connected ")
        heard.append(await reader.read(65536))
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", heard


async def test_a_write_can_be_taken_back_until_its_first_byte_goes_out_and_not_again_where_it_is_sent_on() -> None:
    recall, seen = Recall(), list[bool]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(recall.take_back())
        await reader.readexactly(2)
        moved = b"307 T\r\nlocation: /there" if head.startswith(b"POST /mcp") else b"200 OK"
        writer.write(b"HTTP/1.1 " + moved + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
        async with client_of(HttpTarget(url), 1) as client:

            async def write() -> int:
                RECALL.set(recall)
                async with HttpSession(client, url).answered("POST", {}, b"{}") as response:
                    seen.append(recall.take_back())
                    return response.status_code

            assert not recall.take_back()
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(write())
                await asyncio.sleep(0)
                assert recall.take_back()

    assert writing.result() == 200
    assert seen == [False, False, False]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize(
    "where", ["http://{other}/mcp", "//{other}/mcp", "https://{other}/mcp", "http://user:pass@{other}/"]
)
async def test_a_redirect_to_another_origin_is_refused_and_nothing_of_the_call_goes_there(
    status: str, where: str
) -> None:
    async with listener() as (other, heard), faulty_server() as server:
        server.raw = {"away": redirect(status, where.format(other=other))}
        async with http_opener(HttpTarget(server.url, HEADERS), 4)(Opening("far", lambda: None)) as connection:
            sibling, failure = await all_at_once(connection.call_tool("slow", {}), failure_of(connection, "away"))
    assert sibling == {"content": []}
    assert failure.sent is status.startswith("303")  # which says that it was done, and where the result is
    scheme = "https" if where.startswith("https") else "http"
    assert str(failure) == (
        f"the upstream redirects to {scheme}://127.0.0.1 (HTTP {status[:3]}), which is not followed"
    )
    assert heard == []


@pytest.mark.parametrize("where", ["file:///etc/passwd", "http://169.254.169.254/latest/meta-data/", "ftp://x/"])
async def test_a_redirect_to_what_is_no_server_of_ours_is_refused(where: str) -> None:
    async with faulty_server() as server:
        server.raw = {"away": redirect("307 Temporary", where)}
        async with http_opener(HttpTarget(server.url, HEADERS), 4)(Opening("far", lambda: None)) as connection:
            failure = await failure_of(connection, "away")
    assert not failure.sent
    assert "which is not followed" in str(failure)


async def test_a_redirect_within_the_origin_is_followed_and_kept_to() -> None:
    async with faulty_server() as server:
        server.raw = {"moved": redirect("307 Temporary", "/mcp/")}
        async with http_opener(HttpTarget(server.url, HEADERS), 4)(Opening("far", lambda: None)) as connection:
            server.raw["moved"] = once(redirect("307 Temporary", "/mcp/"), server.raw)
            assert await connection.call_tool("moved", {}) == {"content": []}
            assert await connection.call_tool("ok", {}) == {"content": []}
        assert server.paths[-1] == "/mcp/"
        assert {headers.get("authorization") for headers in server.headers} == {f"bearer {SECRET}".lower()}


def once(first: Raw, answers: dict[str, Raw]) -> Raw:
    async def write(identity: object, writer: asyncio.StreamWriter) -> None:
        answers["moved"] = well
        await first(identity, writer)

    async def well(identity: object, writer: asyncio.StreamWriter) -> None:
        await reply(writer, "200 OK", f'{{"jsonrpc": "2.0", "id": {identity}, "result": {{"content": []}}}}'.encode())

    return write


async def test_a_redirect_to_a_page_is_not_kept_to() -> None:
    async with faulty_server() as server:
        server.modern = True
        server.raw["down"] = redirect("307 Temporary", "/maintenance")
        async with http_opener(HttpTarget(server.url, HEADERS), 4)(Opening("far", lambda: None)) as connection:
            server.page = "/maintenance"
            assert str(await failure_of(connection, "down")) == "its answer is not JSON (text/html)"
            assert await connection.call_tool("ok", {}) == {"content": []}
            assert server.paths[-2:] == ["/maintenance", "/mcp"]


async def test_a_redirect_that_changes_the_method_is_not_followed_even_at_home() -> None:
    async with faulty_server() as server:
        server.raw = {"login": redirect("302 Found", "/login")}
        async with http_opener(HttpTarget(server.url, HEADERS), 4)(Opening("far", lambda: None)) as connection:
            failure = await failure_of(connection, "login")
    assert not failure.sent
    assert server.paths[-2:] == ["/mcp", "/mcp"]  # the call, and the goodbye


async def test_redirects_without_end_have_one() -> None:
    async with faulty_server() as server:
        server.raw = {"round": redirect("307 Temporary", "/mcp")}
        async with http_opener(HttpTarget(server.url, HEADERS), 4)(Opening("far", lambda: None)) as connection:
            failure = await failure_of(connection, "round")
    assert str(failure) == "the upstream redirects without end"
    assert server.arrived == ["round"] * 4


async def reason(url: str, transport: str) -> str:
    """Why the server cannot be used."""
    opener = sse_opener if transport == "sse" else http_opener
    with pytest.raises(Exception) as failed:  # noqa: PT011 - whatever it is, it carries one sentence
        async with asyncio.timeout(10), opener(HttpTarget(url, HEADERS), 4)(Opening("far", lambda: None)):
            pass
    return reason_of(failed.value)


@pytest.mark.parametrize("transport", ["streamable-http", "sse"])
async def test_a_certificate_that_nobody_vouches_for_is_refused_in_words(tmp_path: Path, transport: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(65536))
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0, ssl=context) as server:
        said = await reason(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp", transport)
    assert "cannot connect to 127.0.0.1 securely: its certificate is not to be trusted (self" in said
    assert not any(SECRET.encode() in words for words in heard)


@pytest.mark.parametrize("transport", ["streamable-http", "sse"])
async def test_a_server_that_speaks_no_tls_is_said_to_fail_at_it(transport: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await reply(writer, "400 Bad Request", b"")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        said = await reason(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp", transport)
    assert "cannot connect to 127.0.0.1 securely: TLS failed (WRONG_VERSION_NUMBER)" in said
