"""Operations as endpoints."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.proxy.endpoints.address import Base
from headgate.proxy.endpoints.endpoint import Body, Endpoint, Parameter
from headgate.proxy.endpoints.openapi.document import Document, Version
from headgate.proxy.endpoints.openapi.operations import Found, endpoints_of
from headgate.proxy.endpoints.request import prepared

BASE = Base.of("https://api.example/v1")
JSON = {"content": {"application/json": {"schema": {"type": "object"}}}}


def found(paths: Any, version: Version = "3.1", fixed: tuple[str, ...] = (), **root: Any) -> Found:
    return endpoints_of(Document({"openapi": f"{version}.0", "paths": paths, **root}, version), BASE, fixed)


def one(operation: dict[str, Any], path: str = "/a", method: str = "get", **root: Any) -> Endpoint:
    made = found({path: {method: operation}}, **root)
    assert made.left_out == []
    (endpoint,) = made.endpoints.values()
    return endpoint


def parameter(name: str, place: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": {"type": "string"}, **more}


def target(listed: list[dict[str, Any]], arguments: dict[str, Any], path: str = "/a") -> str:
    return prepared(one({"parameters": listed}, path), BASE, arguments, {}).target


def test_an_operation_is_a_tool_with_a_name_words_and_arguments() -> None:
    endpoint = one(
        {
            "operationId": "weather/get",
            "summary": "Weather now",
            "description": "In a city.",
            "deprecated": True,
            "parameters": [
                parameter("city", "path", required=True, description="Its name"),
                parameter("filter[on]", "query"),
                parameter("X-Region", "header", required=True),
                parameter("seen", "cookie"),
            ],
        },
        "/weather/{city}",
    )

    assert endpoint.name == "weather_get"
    assert endpoint.description == "Deprecated. Weather now\n\nIn a city."
    assert endpoint.parameters == (
        Parameter("city", "city", "path"),
        Parameter("filter_on", "filter[on]", "query", "form", explode=True),
        Parameter("X-Region", "X-Region", "header"),
        Parameter("seen", "seen", "cookie", "form", explode=True),
    )
    assert endpoint.schema["required"] == ["city", "X-Region"]
    assert endpoint.schema["properties"]["city"] == {"type": "string", "description": "Its name"}
    assert endpoint.schema["additionalProperties"] is False


def test_an_operation_without_a_name_is_called_by_method_and_path() -> None:
    made = found({"/a/{id}": {"get": {}, "delete": {}, "trace": {}}, "/a/id": {"get": {}}})

    assert [*made.endpoints] == ["get_a_id", "delete_a_id", "get_a_id_get"]
    assert made.endpoints["get_a_id"].schema["required"] == ["id"]
    assert made.endpoints["get_a_id"].definition["annotations"]["readOnlyHint"] is True
    assert made.endpoints["delete_a_id"].definition["annotations"]["readOnlyHint"] is False


def test_parameters_of_the_path_hold_for_its_operations_and_can_be_overridden() -> None:
    shared = [parameter("q", "query"), parameter("r", "query")]
    own = [parameter("q", "query", required=True), {"$ref": "#/components/parameters/p"}]
    made = found(
        {"/a": {"parameters": shared, "get": {"parameters": own}}},
        components={"parameters": {"p": parameter("p", "query", schema={"type": "integer"})}},
    )

    (endpoint,) = made.endpoints.values()
    assert endpoint.schema["properties"] == {"q": {"type": "string"}, "r": {"type": "string"}, "p": {"type": "integer"}}
    assert endpoint.schema["required"] == ["q"]


def test_arguments_of_one_name_in_two_places_have_two_names() -> None:
    listed = [parameter("id", "path", required=True), parameter("id", "query"), parameter("body", "query")]
    endpoint = one({"parameters": listed, "requestBody": JSON}, "/a/{id}", "post")

    assert [*endpoint.schema["properties"]] == ["id", "id_query", "body", "body_json"]
    assert endpoint.body == Body("json", "body_json")


@pytest.mark.parametrize(
    ("more", "value", "query"),
    [
        ({}, "a b&", "q=a%20b%26"),
        ({}, [1, "b,"], "q=1&q=b%2C"),
        ({}, {"k": 1, "l": "m"}, "k=1&l=m"),
        ({"explode": False}, [1, "b,"], "q=1,b%2C"),
        ({"explode": False}, {"k": 1}, "q=k,1"),
        ({"style": "spaceDelimited"}, ["a", "b"], "q=a%20b"),
        ({"style": "pipeDelimited"}, ["a", "b"], "q=a%7Cb"),
        ({"style": "deepObject"}, {"k": 1, "l": {"m": [2, 3]}}, "q%5Bk%5D=1&q%5Bl%5D%5Bm%5D=2&q%5Bl%5D%5Bm%5D=3"),
        ({"style": "nonsense"}, True, "q=true"),
        ({"content": {"application/json": {"schema": {}}}}, {"k": [1]}, "q=%7B%22k%22%3A%5B1%5D%7D"),
    ],
)
def test_a_query_is_written_in_its_style(more: dict[str, Any], value: Any, query: str) -> None:
    assert target([parameter("q", "query", **more)], {"q": value}) == f"/v1/a?{query}"


@pytest.mark.parametrize(
    ("more", "value", "segment"),
    [
        ({}, "a/b", "a%2Fb"),
        ({}, [1, 2], "1,2"),
        ({}, {"k": 1}, "k,1"),
        ({"explode": True}, {"k": 1}, "k=1"),
        ({"style": "label"}, [1, 2], ".1,2"),
        ({"style": "label", "explode": True}, [1, 2], ".1.2"),
        ({"style": "matrix"}, 5, ";p=5"),
        ({"style": "matrix"}, [1, 2], ";p=1,2"),
        ({"style": "matrix", "explode": True}, [1, 2], ";p=1;p=2"),
        ({"style": "matrix", "explode": True}, {"k": 1, "l": 2}, ";k=1;l=2"),
    ],
)
def test_a_part_of_the_path_is_written_in_its_style(more: dict[str, Any], value: Any, segment: str) -> None:
    assert target([parameter("p", "path", required=True, **more)], {"p": value}, "/a/{p}") == f"/v1/a/{segment}"


@pytest.mark.parametrize(
    ("types", "body"),
    [
        (["application/json", "text/plain"], Body("json", "body")),
        (["text/plain", "application/vnd.x+json"], Body("json", "body", media_type="application/vnd.x+json")),
        (["*/*"], Body("json", "body")),
        (["application/x-www-form-urlencoded"], Body("form", "body", media_type="application/x-www-form-urlencoded")),
        (["text/csv"], Body("text", "body", media_type="text/csv")),
        (["multipart/form-data", "application/zip"], Body("bytes", "body", media_type="application/zip")),
        (["multipart/form-data"], None),
        (["application/json\r\nX: y"], None),
    ],
)
def test_a_body_is_sent_in_the_likeliest_of_its_types(types: list[str], body: Body | None) -> None:
    content = {kind: {"schema": {"type": "object"}} for kind in types}

    assert one({"requestBody": {"content": content}}, method="post").body == body


def test_an_operation_that_cannot_be_a_tool_is_left_out_with_its_reason() -> None:
    made = found(
        {
            "/upload": {"post": {"requestBody": {"required": True, "content": {"multipart/form-data": {}}}}},
            "/away": {"get": {"servers": [{"url": "https://other.example"}]}},
            "/a/../b": {"get": {}},
            "relative": {"get": {}},
            "/bad": {"get": {"operationId": 5}},
            "/param": {"get": {"parameters": [{"name": "q"}]}},
            "/ref": {"get": {"parameters": [{"$ref": "http://127.0.0.1:9/x"}]}},
            "/item": {"$ref": "other.json"},
            "/good": {"get": {}},
        }
    )

    assert [*made.endpoints] == ["get_good"]
    assert dict(made.left_out) == {
        "POST /upload": "its body is multipart/form-data",
        "GET /away": "it has a server of its own, outside of the upstream's address",
        "GET /a/../b": "a path holds letters, digits, -._~!$&'()*+,;=:@ and slots such as {city}, no . or ..",
        "GET relative": "a path begins with /",
        "GET /bad": "operationId: input should be a valid string",
        "GET /param": "in: field required",
        "GET /ref": "it refers to something outside of the document, or by a name",
        "/item": "it refers to something outside of the document, or by a name",
    }


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("https://api.example/v1/x", "/x"),
        ("/v1/x", "/x"),
        ("x/", "/x"),
        ("https://{host}/v1/{stage}", "/beta"),
        ("https://other.example/x", ""),
        ("/elsewhere", ""),
        ("../x", ""),
        ("https://api.example/v1/../v2", ""),
        ("", ""),
    ],
)
def test_servers_only_lead_further_down(url: str, prefix: str) -> None:
    variables = {"host": {"default": "api.example"}, "stage": {"default": "beta"}}

    assert one({}, servers=[{"url": url, "variables": variables}]).path == f"{prefix}/a"


def test_what_is_set_for_the_whole_upstream_and_what_no_call_may_set_is_no_argument() -> None:
    listed = [
        parameter("X-Key", "header", required=True),
        parameter("Authorization", "header"),
        parameter("Host", "header"),
        parameter("appid", "query"),
        parameter("q", "query"),
    ]
    made = found({"/a": {"get": {"parameters": listed}}}, fixed=("x-key", "appid"))

    (endpoint,) = made.endpoints.values()
    assert [*endpoint.schema["properties"]] == ["q"]
    assert "required" not in endpoint.schema


def test_html_is_an_answer_where_the_document_says_so() -> None:
    pages: dict[str, Any] = {"200": {"description": "ok", "content": {"text/html": {}}}}

    assert "html" in one({"responses": pages}).accept
    assert "html" not in one({"responses": {}}).accept


WORDS = st.text(max_size=5) | st.sampled_from(["path", "query", "#/paths", "a"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["get", "post", "parameters", "requestBody", "content", "schema", "name", "in", "$ref", "servers", "url",
             "responses", "200", "operationId", "style", "variables", "application/json"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=30,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["/a", "/a/{b}", "c", ""]), ANYTHING), ANYTHING, st.sampled_from(["3.0", "3.1"]))
def test_no_document_makes_it_fail(paths: Any, servers: Any, version: Version) -> None:
    made = found(paths, version, servers=servers)

    for endpoint in made.endpoints.values():
        assert endpoint.path.startswith("/")
