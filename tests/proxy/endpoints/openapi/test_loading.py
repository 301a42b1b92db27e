"""A document from a file or an address, and what it is to the upstream when it cannot be had."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.proxy.endpoints.origin import Origin, origin, response

from headgate.proxy.connection import CallFailedError, Opening, UnavailableError
from headgate.proxy.endpoints.endpoint import Endpoint
from headgate.proxy.endpoints.opener import endpoints_opener
from headgate.proxy.target import EndpointsTarget

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {"/a": {"get": {"operationId": "get_a"}, "post": {"operationId": "make_a"}}},
}
SECRET = {"Authorization": "Bearer s3cret"}


async def names(target: EndpointsTarget) -> list[str]:
    async with endpoints_opener(target, 1)(Opening("u", lambda: None)) as connection:
        return [str(tool["name"]) for tool in await connection.list_tools()]


async def refusal(target: EndpointsTarget) -> str:
    with pytest.raises(UnavailableError) as caught:
        await names(target)
    return str(caught.value)


def document_of(there: Origin, **more: Any) -> EndpointsTarget:
    there.answers.setdefault("/openapi.json", response(json.dumps(DOCUMENT).encode()))
    return EndpointsTarget(f"{there.url}/v1", SECRET, openapi=f"{there.url}/openapi.json?v=3", **more)


async def test_a_file_is_read_and_what_is_spelled_out_takes_the_place_of_an_operation(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_text(json.dumps(DOCUMENT))
    own = Endpoint("get_a", "GET", "/own")

    async with endpoints_opener(EndpointsTarget("http://127.0.0.1:9", openapi=str(file), endpoints=(own,)), 1)(
        Opening("u", lambda: None)
    ) as connection:
        assert [tool["name"] for tool in await connection.list_tools()] == ["get_a", "make_a"]
        with pytest.raises(CallFailedError):
            await connection.call_tool("get_a", {"unknown": 1})


async def test_a_document_of_the_same_origin_is_asked_for_with_the_upstreams_headers() -> None:
    async with origin() as there:
        assert await names(document_of(there)) == ["get_a", "make_a"]

    assert there.asked[0].target == "/openapi.json?v=3"
    assert there.asked[0].headers["authorization"] == "Bearer s3cret"


async def test_a_document_of_another_origin_gets_no_secrets() -> None:
    async with origin() as there, origin() as api:
        document = document_of(there)
        target = EndpointsTarget(api.url, SECRET, openapi=document.openapi)
        assert await names(target) == ["get_a", "make_a"]

    assert "authorization" not in there.asked[0].headers


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (response(b"no", "404 Not Found"), "its OpenAPI document cannot be fetched: HTTP 404"),
        (response(b"no", "500 No"), "its OpenAPI document cannot be fetched: HTTP 500"),
        (response(b"<html>", kind="text/html"), "its OpenAPI document is no"),
        (response(b'{"swagger": "2.0"}'), "its OpenAPI document is of Swagger 2.0"),
        (response(status="302 Found", location="http://169.254.169.254/"), "the upstream redirects (HTTP 302)"),
    ],
)
async def test_an_address_without_a_document_is_told(answer: bytes, words: str) -> None:
    async with origin() as there:
        there.answers["/openapi.json"] = answer
        assert words in await refusal(document_of(there))


async def test_an_address_that_stands_for_one_inside_is_not_asked() -> None:
    async def inside(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    async with origin() as there:
        target = EndpointsTarget("https://api.example", openapi=f"http://docs.example:{there.port}/openapi.json")
        with pytest.raises(UnavailableError, match=r"docs\.example stands for an address of this machine"):
            async with endpoints_opener(target, 1, resolver=inside)(Opening("u", lambda: None)):
                pass

    assert there.connections == 0


async def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    place = EndpointsTarget("http://127.0.0.1:9", openapi=str(tmp_path / "api.json"))

    assert await refusal(place) == 'its OpenAPI document "api.json" cannot be read: No such file or directory'


@pytest.mark.parametrize("address", ["http://2130706433/x", "http://u:p@x/y", "http://x/../y", "http://x/a b"])
async def test_an_address_that_is_no_plain_one_is_told(address: str) -> None:
    assert "the address of its OpenAPI document" in await refusal(
        EndpointsTarget("http://127.0.0.1:9", openapi=address)
    )
