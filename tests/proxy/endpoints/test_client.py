"""One origin, whatever it answers: redirects, names, certificates, and bodies without an end."""

import asyncio
import gzip
import resource
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.proxy.certificate import certificate
from tests.proxy.endpoints.origin import Origin, origin, response

from headgate.proxy.connection import CallFailedError
from headgate.proxy.endpoints.address import Base
from headgate.proxy.endpoints.client import MAX_REDIRECTS, Client, client_for
from headgate.proxy.endpoints.dialing import Resolve
from headgate.proxy.endpoints.request import Prepared
from headgate.proxy.endpoints.vetting import LOOPBACK, PUBLIC, Reach

MB = 1024 * 1024
CHARGE_MB, BOMB_MB = 32, 1024
GET = Prepared("GET", "/v1/a", {"accept": "*/*"})
POST = Prepared("POST", "/v1/a", {"content-type": "application/json"}, b"{}")
SECRET = {"Authorization": "Bearer s3cret"}


def names(**known: Sequence[str]) -> tuple[Resolve, list[str]]:
    """A resolver that knows these names only, and the names that it was asked for. An underscore is a dot."""
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        found = known.get(host.replace(".", "_"))
        if found is None:
            raise OSError("no such name")
        return found

    return resolve, asked


@asynccontextmanager
async def served(prefix: str = "/v1", **options: Any) -> AsyncGenerator[tuple[Origin, Client]]:
    options.setdefault("most", MB)
    async with origin() as there, client_for(Base.of(f"{there.url}{prefix}"), SECRET, LOOPBACK, **options) as client:
        yield there, client


async def failure(client: Client, request: Prepared = GET) -> CallFailedError:
    with pytest.raises(CallFailedError) as caught:
        await client.send(request)
    return caught.value


def redirect(location: str, status: int = 302) -> bytes:
    return response(b"moved", f"{status} Moved", "text/plain", location=location)


@pytest.mark.parametrize("location", ["/v1/b?x=1", "b?x=1", "./b?x=1", "../v1/b?x=1"])
async def test_a_redirect_below_the_same_address_is_followed(location: str) -> None:
    async with served() as (there, client):
        there.answers["/v1/a"] = redirect(location)
        answer = await client.send(GET)

    assert answer.status == 200
    assert [asked.target for asked in there.asked] == ["/v1/a", "/v1/b?x=1"]
    assert there.asked[1].headers["authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "//evil.example/v1/b",
        "https://127.0.0.1/v1/b",
        "http://127.0.0.1:1/v1/b",
        "http://user:pass@127.0.0.1/v1/b",
        "http://localhost/v1/b",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "/admin",
        "../admin",
        "/v1/../admin",
        "/v1/%2e%2e/admin",
        "/v1/..%2fadmin",
        "/v1/%252e%252e/admin",
        "/v10/b",
        "/v1/b c",
        "http://[::1",
        "http://127.0.0.1:port/v1",
    ],
)
async def test_a_redirect_anywhere_else_is_refused_in_words_and_not_followed(location: str) -> None:
    async with served() as (there, client):
        there.answers["/v1/a"] = redirect(
            location.replace("127.0.0.1/v1", f"127.0.0.1:{there.port}/v1") if "@" in location else location
        )
        failed = await failure(client)

    assert len(there.asked) == 1
    assert str(failed).startswith("the upstream redirects (HTTP 302) to an address outside")
    assert (failed.code, failed.transient) == ("UPSTREAM_ERROR", False)


async def test_redirects_that_do_not_end_are_ended() -> None:
    async with served() as (there, client):
        there.answers["/v1/a"] = redirect("/v1/a")
        failed = await failure(client)

    assert str(failed) == f"the upstream redirects more than {MAX_REDIRECTS} times"
    assert len(there.asked) == MAX_REDIRECTS + 1


@pytest.mark.parametrize("status", [307, 308])
async def test_a_write_is_sent_on_where_the_redirect_says_that_it_was_not_made(status: int) -> None:
    async with served() as (there, client):
        there.answers["/v1/a"] = redirect("/v1/b", status)
        await client.send(POST)

    assert [(asked.method, asked.path, asked.body) for asked in there.asked] == [
        ("POST", "/v1/a", b"{}"),
        ("POST", "/v1/b", b"{}"),
    ]


async def test_a_write_that_is_sent_on_without_end_was_never_made() -> None:
    async with served() as (there, client):
        there.answers["/v1/a"] = redirect("/v1/a", 307)
        assert not (await failure(client, POST)).sent


async def test_the_result_of_a_write_is_read_where_the_redirect_says_that_it_is() -> None:
    async with served() as (there, client):
        there.answers["/v1/a"] = redirect("/v1/b", 303)
        await client.send(POST)
        there.answers["/v1/b"] = response(b"no", "500 No")
        after = await client.send(POST)
        there.answers["/v1/a"] = redirect("http://elsewhere.example/", 303)
        lost = await failure(client, POST)

    assert [asked.method for asked in there.asked[:2]] == ["POST", "GET"]
    assert "content-type" not in there.asked[1].headers
    assert after.status == 500
    assert lost.sent


async def test_a_write_that_was_made_stays_one_whatever_becomes_of_its_result() -> None:
    async with served() as (there, client):
        there.answers["/v1/a"] = redirect("/v1/b", 303)
        there.answers["/v1/b"] = redirect("http://elsewhere.example/", 307)
        assert (await failure(client, POST)).sent


@pytest.mark.parametrize(("status", "sent"), [(301, True), (302, True), (307, False), (308, False)])
async def test_a_redirect_of_a_write_that_is_not_followed_says_whether_it_was_made(status: int, sent: bool) -> None:  # noqa: FBT001
    async with served() as (there, client):
        there.answers["/v1/a"] = redirect("http://elsewhere.example/", status)
        failed = await failure(client, POST)

    assert failed.sent is sent
    assert len(there.asked) == 1


async def test_a_302_of_a_write_within_the_address_is_not_followed_either() -> None:
    async with served() as (there, client):
        there.answers["/v1/a"] = redirect("/v1/b")
        failed = await failure(client, POST)

    assert failed.sent
    assert len(there.asked) == 1


async def reach(reach: Reach, addresses: Sequence[str]) -> tuple[Origin, CallFailedError | int, list[str]]:
    """Ask a server on the loopback under a name that stands for `addresses`."""
    resolver, asked = names(api_example=addresses)
    async with (
        origin() as there,
        client_for(Base.of(f"http://api.example:{there.port}"), {}, reach, resolver=resolver, most=MB) as client,
    ):
        try:
            answer = await client.send(Prepared("GET", "/", {}))
        except CallFailedError as failed:
            return there, failed, asked
        return there, answer.status, asked


async def test_the_connection_goes_to_the_address_that_was_judged_and_the_name_stays() -> None:
    there, status, asked = await reach(LOOPBACK, ["127.0.0.1"])

    assert status == 200
    assert asked == ["api.example"]
    assert there.asked[0].headers["host"] == f"api.example:{there.port}"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["2606:4700::1111", "::1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["0.0.0.0"],  # noqa: S104 - nothing is bound to it
        ["not an address"],
    ],
)
async def test_a_name_that_stands_for_an_address_inside_is_not_connected_to(addresses: list[str]) -> None:
    there, failed, _ = await reach(PUBLIC, addresses)

    assert isinstance(failed, CallFailedError)
    assert (failed.code, failed.sent, failed.transient) == ("DENIED", False, False)
    assert "allow_private = true" in str(failed)
    assert not any(address in str(failed) for address in addresses)
    assert there.connections == 0


async def test_a_name_that_changes_its_address_is_judged_at_each_connection() -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    async with (
        origin() as there,
        client_for(Base.of(f"http://api.example:{there.port}"), {}, LOOPBACK, resolver=rebinding, most=MB) as client,
    ):
        there.answers["/"] = response(b"{}", connection="close")
        await client.send(Prepared("GET", "/", {}))
        failed = await failure(client, Prepared("GET", "/", {}))

    assert failed.code == "DENIED"


async def test_an_address_in_ipv6_is_named_to_the_server_in_brackets() -> None:
    async with origin("::1") as there:
        base = Base.of(f"http://[::1]:{there.port}")
        async with client_for(base, {}, LOOPBACK, most=MB) as client:
            await client.send(Prepared("GET", "/", {}))
    assert there.asked[0].headers["host"] == f"[::1]:{there.port}"


async def test_a_name_that_is_not_known_is_a_server_that_is_down() -> None:
    resolver, _ = names()
    async with client_for(Base.of("http://api.example"), {}, PUBLIC, resolver=resolver, most=MB) as client:
        failed = await failure(client, POST)

    assert (failed.code, failed.sent, failed.transient) == ("UPSTREAM_UNAVAILABLE", False, True)


async def test_the_next_address_is_tried_where_the_first_does_not_answer() -> None:
    resolver, _ = names(api_example=["::1", "127.0.0.1"])
    async with (
        origin() as there,
        client_for(Base.of(f"http://api.example:{there.port}"), {}, LOOPBACK, resolver=resolver, most=MB) as client,
    ):
        assert (await client.send(Prepared("GET", "/", {}))).status == 200


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with served() as (_, client):
        assert (await client.send(GET)).status == 200


async def test_a_certificate_that_is_not_trusted_ends_the_call_before_anything_is_sent(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    arrived: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server, client_for(Base.of(f"https://localhost:{port}"), SECRET, LOOPBACK, most=MB) as client:
        failed = await failure(client, POST)

    assert (failed.code, failed.sent, failed.transient) == ("UPSTREAM_UNAVAILABLE", False, False)
    assert "no secure connection to localhost" in str(failed)
    assert "certificate" in str(failed)
    assert not any(arrived)


async def test_an_answer_that_never_ends_takes_no_more_than_may_be_held() -> None:
    sent = 0

    async def pour(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            sent += 65_536
            await writer.drain()

    async with served() as (there, client):
        there.answers["/v1/a"] = pour
        failed = await failure(client)

    assert (failed.code, failed.sent) == ("RESULT_TOO_LARGE", True)
    assert sent < 20_000_000


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip"])
async def test_a_bomb_is_not_inflated(encoding: str) -> None:
    bomb = gzip.compress(bytes(CHARGE_MB * MB)) * (BOMB_MB // CHARGE_MB)
    for _ in encoding.split(",")[1:]:
        bomb = gzip.compress(bomb)
    async with served(most=8 * MB) as (there, client):
        there.answers["/v1/a"] = response(bomb, content_encoding=encoding)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        failed = await failure(client)
        grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert (failed.code, failed.sent) == ("RESULT_TOO_LARGE", True)
    assert grown_kb < 3 * 8 * 1024


@pytest.mark.parametrize(("encoding", "body"), [("gzip", b"no gzip"), ("br", b"x"), ("gzip, br", b"x")])
async def test_a_body_that_cannot_be_decompressed_is_told(encoding: str, body: bytes) -> None:
    async with served() as (there, client):
        there.answers["/v1/a"] = response(body, content_encoding=encoding)
        failed = await failure(client)

    assert (failed.code, failed.sent) == ("UPSTREAM_ERROR", True)
    assert "compressed" in str(failed)


async def test_a_body_that_trickles_in_ends_with_the_calls_own_clock(
    within: Callable[..., AbstractContextManager[anyio.CancelScope]],
) -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with served() as (there, client):
        there.answers["/v1/a"] = trickle
        with within(), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.send(GET)
        there.answers.clear()
        assert (await client.send(GET)).status == 200  # its place in the pool is free again


async def test_no_more_connections_are_made_than_calls_may_be_in_flight() -> None:
    gate = asyncio.Event()

    async def wait(writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(response(b"{}"))

    async with served(concurrency=2) as (there, client), anyio.create_task_group() as tasks:
        there.answers["/v1/a"] = wait
        for _ in range(6):
            tasks.start_soon(client.send, GET)
        while len(there.asked) < 2:  # noqa: ASYNC110 - the server tells of it in no other way
            await asyncio.sleep(0.005)
        assert there.connections == 2
        gate.set()

    assert len(there.asked) == 6
    assert there.connections == 2


async def test_a_connection_that_the_server_has_closed_meanwhile_is_not_used_again() -> None:
    async def answer_and_close(writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"{}"))
        writer.close()
        await writer.wait_closed()

    async with served() as (there, client):
        there.answers["/v1/a"] = answer_and_close
        for _ in range(5):
            await client.send(POST)
            await asyncio.sleep(0.02)

    assert there.connections == 5


@pytest.mark.parametrize("rest", [response(b'{"of": "another"}'), b"and so on"])
async def test_what_a_server_sends_beyond_its_answer_is_not_the_answer_to_the_next_call(rest: bytes) -> None:
    async with served() as (there, client):
        there.answers["/v1/a"] = response(b"{}") + rest
        assert (await client.send(GET)).body == b"{}"
        assert b'"target": "/v1/b"' in (await client.send(Prepared("POST", "/v1/b", {}))).body


async def test_a_header_that_no_header_can_hold_is_refused() -> None:
    async with served() as (there, client):
        for value in ("\u2028", "a\r\nX: y"):
            with pytest.raises(CallFailedError) as caught:
                await client.send(POST, {"Idempotency-Key": value})
            assert not caught.value.sent

    assert there.asked == []
