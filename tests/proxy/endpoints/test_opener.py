"""Endpoints as an upstream: what is asked of a real server, and what comes of its answers."""

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.proxy.endpoints.origin import Origin, origin, response

from headgate.proxy.connection import CallFailedError, Connection, Opening
from headgate.proxy.endpoints.endpoint import Body, Endpoint, Parameter
from headgate.proxy.endpoints.opener import endpoints_opener
from headgate.proxy.target import EndpointsTarget
from headgate.tools.outcome import Answer, Failure
from headgate.tools.result import read_result

CITY = Parameter("city", "city", "path")
UNITS = Parameter("units", "units", "query", "form", explode=True)
GET = Endpoint("get_weather", "GET", "/v1/weather/{city}", (CITY, UNITS))
POST = Endpoint("report", "POST", "/v1/reports", (), Body("json", None, (("city", "city"), ("note", "note"))))


@asynccontextmanager
async def opened(target: EndpointsTarget) -> AsyncGenerator[Connection]:
    async with endpoints_opener(target, 4)(Opening("weather", lambda: None)) as connection:
        yield connection


@asynccontextmanager
async def weather(*endpoints: Endpoint, **target: Any) -> AsyncGenerator[tuple[Origin, Connection]]:
    async with origin() as served:
        place = EndpointsTarget(served.url, endpoints=endpoints or (GET, POST), **target)
        async with opened(place) as connection:
            yield served, connection


async def failure(connection: Connection, name: str, arguments: dict[str, Any]) -> CallFailedError:
    with pytest.raises(CallFailedError) as caught:
        await connection.call_tool(name, arguments)
    return caught.value


async def test_endpoints_are_listed_as_tools_without_asking_the_server() -> None:
    async with opened(EndpointsTarget("http://127.0.0.1:9", endpoints=(GET, POST))) as connection:
        get, post = await connection.list_tools()

    assert (get["name"], get["annotations"]) == ("get_weather", {"readOnlyHint": True})
    assert post["annotations"] == {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": False}


async def test_a_call_becomes_a_request_with_everything_in_its_place() -> None:
    async with weather(headers={"X-Key": "k"}, query={"appid": "id 1"}) as (served, connection):
        result = await connection.call_tool("get_weather", {"city": "São Paulo/é?#", "units": ["c", "&f"]})

    assert served.asked[0].target == "/v1/weather/S%C3%A3o%20Paulo%2F%C3%A9%3F%23?appid=id%201&units=c&units=%26f"
    assert served.asked[0].headers["x-key"] == "k"
    assert served.asked[0].headers["host"] == served.url.removeprefix("http://")
    assert result["structuredContent"]["method"] == "GET"


async def test_a_body_is_json_of_the_arguments_that_are_given() -> None:
    async with weather() as (served, connection):
        await connection.call_tool("report", {"city": "Köln", "note": 2**70}, headers={"Idempotency-Key": "k1"})
        await connection.call_tool("report", {})

    first, second = served.asked
    assert first.json == {"city": "Köln", "note": 2**70}
    assert first.headers["content-type"] == "application/json"
    assert first.headers["idempotency-key"] == "k1"
    assert second.body == b"{}"
    assert "idempotency-key" not in second.headers


async def test_a_connection_is_used_again_and_cookies_are_not_kept() -> None:
    async with weather() as (served, connection):
        served.answers["/v1/weather/a"] = response(b"{}", set_cookie="session=1")
        for _ in range(3):
            await connection.call_tool("get_weather", {"city": "a"})

    assert served.connections == 1
    assert all("cookie" not in asked.headers for asked in served.asked)


@pytest.mark.parametrize(
    ("answer", "data"),
    [
        (response(b'{"t": 21}'), {"t": 21}),
        (response(b"[1, 2]"), [1, 2]),
        (response(b"21.5"), 21.5),
        (response('"München"'.encode("latin-1"), kind="application/json; charset=ISO-8859-1"), "München"),
        (response('"München"'.encode(), kind="application/json; charset=ISO-8859-1"), "München"),
        (response('"grau"'.encode("utf-16"), kind="application/json; charset=utf-16"), "grau"),
        (response(b"grau \\x", kind="text/plain; charset=unicode_escape"), "grau \\x"),
        (response(b"grau-", kind="text/plain; charset=punycode"), "grau-"),
        (response(b"grau", kind="text/plain; charset=base64"), "grau"),
        (response(b"true", kind="application/problem+json; charset=utf-8"), True),
        (response(b"null"), None),
        (response("grau".encode("utf-16"), kind="text/plain; charset=utf-16"), "grau"),
        (response(b"sunny \xff", kind="text/csv"), "sunny \N{REPLACEMENT CHARACTER}"),
        (response(b'{"t": 21}', kind=""), {"t": 21}),
        (response(status="204 No Content", kind=""), None),
        (response(b""), None),
        (response(gzip.compress(b'{"t": 21}'), content_encoding="gzip"), {"t": 21}),
    ],
)
async def test_the_data_of_an_answer_is_what_it_says(answer: bytes, data: Any) -> None:
    async with weather() as (served, connection):
        served.answers["/v1/weather/a"] = answer
        read = read_result(await connection.call_tool("get_weather", {"city": "a"}))

    assert read == Answer(data)


async def test_bytes_are_a_resource_and_pictures_are_pictures() -> None:
    async with weather() as (served, connection):
        served.answers["/v1/weather/a"] = response(b"\x00\x01", kind="application/octet-stream")
        served.answers["/v1/weather/b"] = response(b"\x89PNG", kind="image/png")
        resource = read_result(await connection.call_tool("get_weather", {"city": "a"}))
        picture = read_result(await connection.call_tool("get_weather", {"city": "b"}))

    assert isinstance(resource, Answer)
    assert isinstance(picture, Answer)
    assert resource.blocks[0]["resource"] == {
        "uri": f"{served.url}/v1/weather/a",
        "mimeType": "application/octet-stream",
        "blob": "AAE=",
    }
    assert picture.blocks[0] == {"type": "image", "data": "iVBORw==", "mimeType": "image/png"}


async def test_head_gives_status_and_headers() -> None:
    async with weather(replace(GET, method="HEAD")) as (served, connection):
        served.answers["/v1/weather/a"] = response(etag='"1"', set_cookie="s=1")
        read = read_result(await connection.call_tool("get_weather", {"city": "a"}))

    assert isinstance(read, Answer)
    assert read.data["status"] == 200
    assert read.data["headers"]["etag"] == '"1"'
    assert "set-cookie" not in read.data["headers"]


async def test_a_refusal_is_the_tools_error_in_the_apis_own_words_without_secrets() -> None:
    async with weather(headers={"Authorization": "Bearer s3cret-token"}) as (served, connection):
        body = json.dumps({"message": "no city, s3cret-token"}).encode()
        served.answers["/v1/weather/a"] = response(body, "404 Not Found")
        served.answers["/v1/weather/b"] = response(b"<!DOCTYPE html><h1>no</h1>", "404 Not Found", "text/html")
        own = read_result(await connection.call_tool("get_weather", {"city": "a"}))
        page = read_result(await connection.call_tool("get_weather", {"city": "b"}))

    assert own == Failure("error", "TOOL_ERROR", 'HTTP 404: {"message":"no city, •••"}')
    assert page == Failure("error", "TOOL_ERROR", "HTTP 404: the upstream answered with an HTML page")


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_refused_credentials_are_said_so_and_not_shown(status: str) -> None:
    async with weather(headers={"Authorization": "Bearer s3cret-token"}) as (served, connection):
        served.answers["/v1/weather/a"] = response(b'{"error": "bad key s3cret-token"}', status)
        failed = await failure(connection, "get_weather", {"city": "a"})

    assert (failed.code, failed.sent, failed.transient) == ("UPSTREAM_ERROR", False, False)
    assert status[:3] in str(failed)
    assert "s3cret" not in str(failed)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("7", 7.0), ("-5", 0.0), ("1000000000", 3600.0), ("soon", None), ("Fri, 01 Jan 2021 00:00:00 GMT", 0.0)],
)
async def test_a_429_is_a_rate_limit_with_a_wait_that_can_be_believed(retry_after: str, seconds: float | None) -> None:
    async with weather() as (served, connection):
        served.answers["/v1/reports"] = response(
            b"slow down", "429 Too Many Requests", "text/plain", retry_after=retry_after
        )
        failed = await failure(connection, "report", {})

    assert (failed.code, failed.sent, failed.transient) == ("RATE_LIMITED", False, True)
    assert failed.retry_after_s == seconds


async def test_a_request_that_came_too_early_was_not_executed() -> None:
    async with weather() as (served, connection):
        served.answers["/v1/reports"] = response(b"", "425 Too Early")
        failed = await failure(connection, "report", {})

    assert (failed.code, failed.sent, failed.transient) == ("UPSTREAM_ERROR", False, True)


@pytest.mark.parametrize("status", ["401 No", "404 Not Found", "425 Too Early", "429 Too Many Requests", "503 No"])
async def test_a_write_that_was_made_is_never_said_not_to_be_whatever_its_result_says(status: str) -> None:
    async with weather() as (served, connection):
        served.answers["/v1/reports"] = response(b"", "303 See Other", location="/v1/reports/7")
        served.answers["/v1/reports/7"] = response(b"{}", status)
        failed = await failure(connection, "report", {})

    assert failed.failure("write").code == "OUTCOME_UNKNOWN"
    assert str(failed) == f"the upstream said where the result is, but answered there with HTTP {status[:3]}"
    assert [asked.method for asked in served.asked] == ["POST", "GET"]


@pytest.mark.parametrize(
    ("status", "transient"), [("500 No", True), ("503 No", True), ("408 No", True), ("501 No", False)]
)
async def test_a_server_that_fails_may_have_done_the_write(status: str, transient: bool) -> None:  # noqa: FBT001
    async with weather() as (served, connection):
        served.answers["/v1/reports"] = response(b"<html>oops</html>", status, "text/html", retry_after="2")
        failed = await failure(connection, "report", {})

    assert (failed.code, failed.sent, failed.transient) == ("UPSTREAM_ERROR", True, transient)
    assert failed.retry_after_s == 2
    assert failed.failure("write").code == "OUTCOME_UNKNOWN"
    assert "html" not in str(failed)


async def test_a_login_page_is_no_answer_unless_html_is_asked_for() -> None:
    page = response(b"<html><form>log in</form></html>", kind="text/html; charset=utf-8")
    async with weather(GET, replace(GET, name="page", accept="text/html")) as (served, connection):
        served.answers["/v1/weather/a"] = page
        failed = await failure(connection, "get_weather", {"city": "a"})
        wanted = await connection.call_tool("page", {"city": "a"})

    assert (failed.code, failed.sent) == ("UPSTREAM_ERROR", True)
    assert "HTML page" in str(failed)
    assert "log in" in wanted["content"][0]["text"]


@pytest.mark.parametrize(
    "body",
    [b"NaN", b"[" * 100_000, b"1" + b"0" * 400, b'{"a": ', b'"\xff"', b"", b"\xef\xbb\xbf{}", b'{"a":1,"a":2}'],
    ids=range(8),
)
async def test_bad_json_never_escapes_as_an_exception(body: bytes) -> None:
    async with weather() as (served, connection):
        served.answers["/v1/weather/a"] = response(body)
        try:
            result = await connection.call_tool("get_weather", {"city": "a"})
        except CallFailedError as failed:
            assert str(failed) == "the upstream answered with JSON that cannot be read"  # noqa: PT017
        else:
            assert isinstance(read_result(result), Answer)


async def test_integers_keep_their_digits_in_answers_and_in_words_of_refusal() -> None:
    async with weather() as (served, connection):
        served.answers["/v1/weather/a"] = response(b"%d" % -(2**70))
        served.answers["/v1/weather/b"] = response(b'{"n": %d}' % 10**400)
        served.answers["/v1/weather/c"] = response(b'{"no": %d}' % (2**70 + 1), "404 Not Found")
        said = [await connection.call_tool("get_weather", {"city": city}) for city in "abc"]

    assert [read_result(result) for result in said] == [
        Answer(-(2**70)),
        Answer({"n": 10**400}),
        Failure("error", "TOOL_ERROR", f'HTTP 404: {{"no":{2**70 + 1}}}'),
    ]


async def test_half_a_character_in_json_is_no_reason_to_lose_an_answer() -> None:
    async with weather() as (served, connection):
        served.answers["/v1/weather/a"] = response(rb'{"text": "cut \ud83d"}')
        result = await connection.call_tool("get_weather", {"city": "a"})

    assert result["structuredContent"] == {"text": "cut \ufffd"}


async def test_a_server_that_is_down_is_found_out_by_the_call_and_back_again_by_the_next() -> None:
    async with origin() as served:
        url = served.url
    async with opened(EndpointsTarget(url, endpoints=(POST,))) as connection:
        failed = await failure(connection, "report", {})

    assert (failed.code, failed.sent, failed.transient) == ("UPSTREAM_UNAVAILABLE", False, True)
    assert failed.failure("write").status == "error"


async def test_a_connection_that_breaks_before_the_answer_leaves_a_write_unknown() -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with weather() as (served, connection):
        served.answers["/v1/reports"] = hang_up
        failed = await failure(connection, "report", {})

    assert (failed.sent, failed.transient) == (True, True)
    assert failed.failure("write").code == "OUTCOME_UNKNOWN"


async def test_an_answer_that_ends_early_fails_its_call_only() -> None:
    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        writer.close()

    async with weather() as (served, connection):
        served.answers["/v1/weather/a"] = cut
        failed = await failure(connection, "get_weather", {"city": "a"})
        await connection.call_tool("get_weather", {"city": "b"})

    assert (failed.code, failed.sent, failed.transient) == ("UPSTREAM_ERROR", True, True)


async def test_arguments_that_cannot_be_sent_are_refused_before_anything_is() -> None:
    async with weather() as (served, connection):
        wrong = await failure(connection, "get_weather", {"city": "../admin"})
        unknown = await failure(connection, "get_weather", {"city": "a", "planet": "b"})
        nobody = await failure(connection, "get_sun", {})

    assert (wrong.code, wrong.sent) == ("INVALID_ARGUMENTS", False)
    assert (unknown.code, str(unknown)) == ("INVALID_ARGUMENTS", "planet: this tool has no such argument")
    assert nobody.code == "UNKNOWN_TOOL"
    assert served.asked == []
