"""GitHub's own OpenAPI document as an upstream: how long it takes to load, and where its tools' calls arrive."""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import jsonschema_rs
import pytest
from tests.config import write_config
from tests.proxy.endpoints.origin import Asked, origin
from tests.real.fetch_openapi import DOCUMENT
from tests.real.gates import ready_gate

from headgate.proxy.connection import Opening
from headgate.proxy.endpoints.endpoint import Endpoint
from headgate.proxy.endpoints.opener import EndpointsConnection, endpoints_opener
from headgate.proxy.target import EndpointsTarget

pytestmark = pytest.mark.real
LOAD_S = 2.0


@pytest.fixture(autouse=True)
def document() -> Path:
    if not DOCUMENT.is_file():
        if os.environ.get("HEADGATE_REQUIRE_REAL") == "1":
            pytest.fail(f"this machine lacks {DOCUMENT.name}: `make test` fetches it", pytrace=False)
        pytest.skip(f"this machine lacks {DOCUMENT.name}: `make test` fetches it")
    return DOCUMENT


async def test_github_is_loaded_within_two_seconds_with_all_its_operations(tmp_path: Path) -> None:
    config = write_config(tmp_path, {"github": {"http": "https://api.github.com", "openapi": str(DOCUMENT)}})
    took: list[float] = []
    for _ in range(3):  # the machine may be busy with something else
        async with ready_gate(config) as gate:
            (state,) = gate.upstreams()
            assert state.tools > 1_000
            assert len(gate.catalogue().tools) == state.tools
            assert state.ready_after_s is not None
            took.append(state.ready_after_s)

    assert min(took) <= LOAD_S, took


async def test_every_tool_of_github_takes_its_schema_and_reaches_its_endpoint() -> None:
    async with origin() as served:
        target = EndpointsTarget(served.url, {"Authorization": "Bearer t0ken"}, openapi=str(DOCUMENT))
        async with endpoints_opener(target, 4)(Opening("github", lambda: None)) as connection:
            assert isinstance(connection, EndpointsConnection)
            for name, endpoint in connection.endpoints.items():
                arguments = sample(endpoint)
                await connection.call_tool(name, arguments)
                assert_arrived(endpoint, arguments, served.asked[-1])
                jsonschema_rs.validator_for(dict(endpoint.schema), offline=True)

    assert len(served.asked) == len(connection.endpoints) > 1_000
    assert served.connections == 1


def sample(endpoint: Endpoint) -> dict[str, Any]:
    """Arguments for each parameter that could go wrong, and some body."""
    found: dict[str, Any] = {parameter.argument: "a b/ü?&#" for parameter in endpoint.parameters}
    if endpoint.body is not None and endpoint.body.argument is not None:
        found[endpoint.body.argument] = {"k": [1, "ü"]} if endpoint.body.kind == "json" else "text"
    return found


def assert_arrived(endpoint: Endpoint, arguments: dict[str, Any], asked: Asked) -> None:
    parts = urlsplit(asked.target)
    path = re.sub(r"\{[^}]+\}", quote("a b/ü?&#", safe=""), endpoint.path)
    assert (asked.method, parts.path, parts.fragment) == (endpoint.method, path, "")
    query = {parameter.name: "a b/ü?&#" for parameter in endpoint.parameters if parameter.place == "query"}
    assert dict(parse_qsl(parts.query, strict_parsing=bool(parts.query))) == query
    assert asked.headers["authorization"] == "Bearer t0ken"
    if endpoint.body is not None and endpoint.body.kind == "json":
        assert asked.json == arguments[str(endpoint.body.argument)]
