"""Requests: whatever an argument holds, it stays in its place."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.proxy.endpoints.address import Base
from headgate.proxy.endpoints.endpoint import Body, Endpoint, Parameter
from headgate.proxy.endpoints.request import may_be_argument, prepared
from headgate.proxy.endpoints.style import BadArgumentError

BASE = Base.of("https://api.example/v1/things")
PARAMETERS = (
    Parameter("a", "a", "path"),
    Parameter("b", "b", "path"),
    Parameter("q", "q", "query", "form", explode=True),
    Parameter("h", "X-H", "header"),
    Parameter("c", "c", "cookie", "form"),
)
ENDPOINT = Endpoint("t", "POST", "/x/{a}/y-{b}.json", PARAMETERS, Body("json", "body"))
ATTACKS = [
    "..", ".", "../admin", "%2e%2e", "%2E%2E%2Fadmin", "%252e%252e%252fadmin", "..%2fadmin", "..\\admin", "..;/admin",
    "a/../../b", "?x=1", "#", "a\r\nHost: evil", "\0", "//evil.example/", "http://evil.example/", "@evil.example",
    "a?b=c&d", "\u2025/", "\ud800", " .. ", "", "a\nb", "%00", "%0d%0aSet-Cookie: a",
]  # fmt: skip
VALUES = st.one_of(
    st.text(),
    st.sampled_from(ATTACKS),
    st.builds("".join, st.lists(st.sampled_from([".", "/", "\\", "%", "2", "e", "f", "5", "c", ";", "a", "?", "#"]))),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(VALUES, inner, max_size=3),
    max_leaves=5,
)


def decoded(text: str) -> str:
    while text != unquote(text):
        text = unquote(text)
    return text


@given(st.fixed_dictionaries(dict.fromkeys(("a", "b", "q", "h", "c", "body"), JSON)))
@example({"a": "..", "b": "x", "q": "", "h": "", "c": "", "body": ""})
def test_nothing_in_an_argument_leaves_its_place(arguments: dict[str, Any]) -> None:
    try:
        request = prepared(ENDPOINT, BASE, arguments, {"key": "k"})
    except BadArgumentError:
        return

    parts = urlsplit(f"{BASE.origin}{request.target}")
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.example", "")
    segments = parts.path.split("/")
    assert segments[:4] == ["", "v1", "things", "x"]
    assert len(segments) == 7 - 1
    assert segments[5].startswith("y-")
    assert segments[5].endswith(".json")
    assert not any({".", ".."} & set(re.split(r"[/\\]", decoded(segment))) for segment in segments)
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    assert names[0] == "key"
    assert names.count("key") == 1
    assert re.fullmatch(r"[\x21-\x7e]+", request.target)
    for name, value in request.headers.items():
        assert name in {"accept", "x-h", "cookie", "content-type"}
        assert re.fullmatch(r"[\t\x20-\x7e]*", value)
    assert request.content is None or json.loads(request.content) == arguments["body"]


@given(VALUES)
def test_a_path_parameter_arrives_as_it_was_given(value: str) -> None:
    endpoint = Endpoint("t", "GET", "/x/{a}", PARAMETERS[:1])
    try:
        request = prepared(endpoint, BASE, {"a": value}, {})
    except BadArgumentError:
        return

    assert unquote(request.target.removeprefix("/v1/things/x/")) == value


@pytest.mark.parametrize(
    "value",
    [
        "..",
        ".",
        "../admin",
        "%2e%2e",
        "%252e%252e",
        "..%2f",
        "a/../b",
        "..\\x",
        "..;",
        "",
        [],
        {},
        None,
        "a\nb",
        "\0",
        [""],
        [None],
    ],
)
def test_a_part_of_the_path_that_could_leave_it_is_refused(value: Any) -> None:
    with pytest.raises(BadArgumentError, match="a: a part of the path cannot"):
        prepared(ENDPOINT, BASE, {"a": value, "b": "x"}, {})


@pytest.mark.parametrize("value", ["a\r\nX: y", "é", "\0", "\x7f"])
def test_a_header_holds_one_line_of_ascii(value: str) -> None:
    with pytest.raises(BadArgumentError, match="h: a header holds ASCII"):
        prepared(ENDPOINT, BASE, {"a": "x", "b": "x", "h": value}, {})


def test_the_members_of_an_object_in_the_query_cannot_take_the_place_of_a_parameter() -> None:
    parameters = (
        Parameter("filter", "filter", "query", "form", explode=True),
        Parameter("page", "page", "query", "form"),
    )
    endpoint = Endpoint("t", "GET", "/x", parameters)

    assert prepared(endpoint, BASE, {"filter": {"a": 1}}, {"key": "k"}).target == "/v1/things/x?key=k&a=1"
    for name in ("key", "page"):
        with pytest.raises(BadArgumentError, match="filter: another parameter has the name"):
            prepared(endpoint, BASE, {"filter": {name: 1}}, {"key": "k"})


def test_what_is_not_given_is_not_sent_and_defaults_are() -> None:
    endpoint = Endpoint("t", "GET", "/x", PARAMETERS[2:], defaults={"q": "d"})

    assert prepared(endpoint, BASE, {"h": None}, {}).target == "/v1/things/x?q=d"
    assert prepared(endpoint, BASE, {"q": None}, {}).target == "/v1/things/x"


def test_an_address_outside_of_the_upstreams_is_refused_whatever_led_there() -> None:
    endpoint = Endpoint("t", "GET", "/x")

    with pytest.raises(BadArgumentError, match=r"outside of the upstream's"):
        prepared(endpoint, Base("https", "api.example", 443, "/v1/.."), {}, {})


def test_an_address_that_no_server_would_take_is_refused() -> None:
    with pytest.raises(BadArgumentError, match="more than 16000 characters"):
        prepared(ENDPOINT, BASE, {"a": "x", "b": "y", "q": "z" * 16_000}, {})


@pytest.mark.parametrize(
    ("body", "value", "content"),
    [
        (Body("json", "body"), [1, None], b"[1,null]"),
        (Body("form", "body", media_type="f"), {"a": [1, "&"], "b": {"c": True}}, b"a=1&a=%26&b%5Bc%5D=true"),
        (Body("text", "body", media_type="text/plain"), "é", "é".encode()),
        (Body("bytes", "body", media_type="a/b"), "AAE=", b"\0\1"),
    ],
)
def test_a_body_is_written_as_its_type_says(body: Body, value: Any, content: bytes) -> None:
    request = prepared(Endpoint("t", "POST", "/x", (), body), BASE, {"body": value}, {})

    assert request.content == content
    assert request.headers["content-type"] == body.media_type


@pytest.mark.parametrize(
    ("kind", "value"), [("form", "a"), ("bytes", 5), ("bytes", "no base64!"), ("text", "\ud800"), ("json", "\ud800")]
)
def test_a_body_that_cannot_be_written_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(BadArgumentError, match="the body"):
        prepared(Endpoint("t", "POST", "/x", (), Body(kind, "body")), BASE, {"body": value}, {})


@pytest.mark.parametrize(
    "name", ["Host", "authorization", "Content-Length", "transfer-encoding", "cookie", "a b", "a:", ""]
)
def test_some_headers_are_not_for_models(name: str) -> None:
    assert not may_be_argument(name)


def test_a_header_of_the_api_is() -> None:
    assert may_be_argument("X-Region")
