"""Tools spelled out: what their tables mean, and what is told of a wrong one."""

import pytest
from tests.server.settings.reading import one_upstream, told

from headgate.proxy.endpoints.endpoint import Body, Endpoint, Parameter
from headgate.proxy.target import EndpointsTarget

HTTP = "http = 'https://x'\nheaders = { X-Key = 'k' }\nquery = { appid = 'id' }\n"


def endpoint(table: str) -> Endpoint:
    target = one_upstream(f"{HTTP}[upstreams.u.tools.t]\n{table}").target
    assert isinstance(target, EndpointsTarget)
    (found,) = target.endpoints
    return found


def test_the_least_that_can_be_said_is_a_path() -> None:
    assert endpoint("path = '/v1/weather/{city}'") == Endpoint(
        "t",
        "GET",
        "/v1/weather/{city}",
        (Parameter("city", "city", "path"),),
        schema={
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        description="GET /v1/weather/{city}",
    )


def test_every_place_has_its_arguments_and_each_its_schema() -> None:
    found = endpoint("""
        method = "post"
        path = "/a/{id}"
        query = ["filter[on]", "sort", "more"]
        headers = ["X-Region"]
        body = ["title", "level"]
        params = { level.type = "integer", sort = { type = "string", default = "up" }, more.type = "object" }
        required = ["title"]
        description = "Make one"
        accept = "text/html"
    """)

    assert found.method == "POST"
    assert found.parameters == (
        Parameter("id", "id", "path"),
        Parameter("filter_on", "filter[on]", "query", "form", explode=True),
        Parameter("sort", "sort", "query", "form", explode=True),
        Parameter("more", "more", "query", "json", explode=True),
        Parameter("X-Region", "X-Region", "header"),
    )
    assert found.body == Body("json", None, (("title", "title"), ("level", "level")))
    assert found.schema["required"] == ["id", "title"]
    assert found.schema["properties"]["level"] == {"type": "integer"}
    assert found.defaults == {"sort": "up"}
    assert (found.description, found.accept) == ("Make one", "text/html")


def test_a_body_is_one_argument_or_a_form() -> None:
    assert endpoint("method = 'PUT'\npath = '/a'\nbody = 'thing'").body == Body("json", "thing")
    form = endpoint("method = 'POST'\npath = '/a'\nform = ['a b']").body
    assert form == Body("form", None, (("a_b", "a b"),), "application/x-www-form-urlencoded")


def test_annotations_of_plain_http_are_believed_unless_the_operator_does_not() -> None:
    assert one_upstream(f"{HTTP}tools.t.path = '/'").rules.trust_annotations
    assert not one_upstream(f"{HTTP}trust_annotations = false\ntools.t.path = '/'").rules.trust_annotations


@pytest.mark.parametrize(
    ("table", "where", "words"),
    [
        ("method = 'GET'", "method", "this needs a path beside it"),
        ("timeout = '1s'", "", "this tool has no path"),
        ("path = 'v1'", "path", "a path begins with /"),
        ("path = '/a/../b'", "path", "no . or .."),
        ("path = '/a?b=c'", "path", "a path holds letters"),
        ("path = '/{a}/{a}'", "path", "a slot stands in it twice"),
        ("path = '/'\nmethod = 'TRACE'", "method", "write one of GET, HEAD, POST"),
        ("path = '/{a}'\nquery = ['a']", "query", '"a" stands in path too'),
        ("path = '/'\nquery = ['a[b]', 'a_b']", "query", '"a_b" stands twice'),
        ("path = '/'\nquery = ['appid']", "query", '"appid" is set for the whole upstream'),
        ("path = '/'\nquery = ['']", "query", "a name is empty"),
        ("path = '/'\nheaders = ['x-key']", "headers", '"x-key" is set for the whole upstream'),
        ("path = '/'\nheaders = ['Host']", "headers", "no header that a call may set"),
        ("path = '/'\nbody = ['a']", "body", "a GET carries nothing"),
        ("path = '/'\nmethod = 'POST'\nbody = 5", "body", "write the names of its members"),
        ("path = '/'\nmethod = 'POST'\nbody = ['a']\nform = ['b']", "form", "body is given too"),
        ("path = '/{city}'\nparams = { cty = { type = 'string' } }", "params.cty", 'did you mean "city"?'),
        ("path = '/'\nparams = { x = { type = 'string' } }", "params.x", "name it in path, query"),
        ("path = '/{a}'\nparams = { a = { type = 'strin' } }", "params.a.type", "not valid in a JSON Schema"),
        ("path = '/'\nrequired = ['x']", "required[0]", '"x" is no argument of this tool'),
        ("path = '/'\naccept = 'é'", "accept", "a header holds ASCII text"),
        ("path = '/'\ncmd = 'x'", "cmd", "unknown key"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(table: str, where: str, words: str) -> None:
    (line,) = told(f"[upstreams.u]\n{HTTP}[upstreams.u.tools.t]\n{table}")

    place = f"upstreams.u.tools.t.{where}" if where else "upstreams.u.tools.t"
    assert line.split(": ")[1] == place
    assert words in line


def test_an_upstream_without_tools_is_told() -> None:
    assert "this upstream has no tools" in told(f"[upstreams.u]\n{HTTP}")[0]


def test_what_is_said_of_an_endpoint_is_for_plain_http_only() -> None:
    (line,) = told("[upstreams.u]\ncommand = 'x'\n[upstreams.u.tools.t]\nbody = ['a']")

    assert "this is for the tools of an upstream with http" in line


@pytest.mark.parametrize(
    ("table", "pin"),
    [("tools.t.path = '/'", "off"), ("openapi = 'x.json'", "off"), ("openapi = 'https://x/y.json'", "flag")],
)
def test_what_the_operator_declared_is_not_pinned_and_what_is_fetched_is(table: str, pin: str) -> None:
    assert one_upstream(f"http = 'https://x'\n{table}").rules.of("t").pin == pin
