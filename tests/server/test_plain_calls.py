"""Calls and results that are plain need no second look: what goes out is what the SDK would have made of it."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types.methods import serialize_server_result
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

from headgate.server.fit import fitted
from headgate.server.plain_calls import PlainCalls, is_plain_call, is_plain_result

TEXT = {"type": "text", "text": "x"}
IMAGE = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
BLOCKS = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": st.text()}) | st.just(IMAGE) | JSON)
RESULTS = st.fixed_dictionaries(
    {},
    optional={
        "content": BLOCKS | JSON,
        "structuredContent": st.dictionaries(st.text(), JSON) | JSON,
        "isError": st.booleans() | JSON,
        "_meta": JSON,
        "more": JSON,
    },
)


@given(result=RESULTS, version=st.sampled_from(HANDSHAKE_PROTOCOL_VERSIONS))
def test_a_plain_result_is_what_the_sdk_would_have_sent(result: dict[str, Any], version: str) -> None:
    fit = fitted(result, version)
    if is_plain_result(fit):
        assert serialize_server_result("tools/call", version, fit) == fit


def asked(params: Mapping[str, Any] | None, version: str = LATEST_HANDSHAKE_VERSION, **more: Any) -> Any:
    session = SimpleNamespace(client_params=more.get("client_params", object()))
    meta: Any = more.get("meta", {})
    return SimpleNamespace(method="tools/call", params=params, protocol_version=version, meta=meta, session=session)


def test_a_name_and_arguments_are_plain() -> None:
    assert is_plain_call(asked({"name": "t"}))
    assert is_plain_call(asked({"name": "t", "arguments": {"a": 1}, "_meta": {"progressToken": 1}}))


@pytest.mark.parametrize(
    "ctx",
    [
        asked(None),
        asked({}),
        asked({"name": 1}),
        asked({"name": "t", "arguments": None}),
        asked({"name": "t", "arguments": []}),
        asked({"name": "t", "task": {}}),
        asked({"name": "t", "_meta": 1}, meta=None),
        asked({"name": "t", "_meta": {"io.modelcontextprotocol/protocolVersion": LATEST_MODERN_VERSION}}),
        asked({"name": "t"}, LATEST_MODERN_VERSION),
        asked({"name": "t"}, client_params=None),
    ],
)
async def test_anything_else_is_for_the_sdk_to_judge(ctx: Any) -> None:
    assert not is_plain_call(ctx)

    async def call(*_: object) -> dict[str, Any]:
        raise AssertionError

    async def sdk(_ctx: object) -> dict[str, Any]:
        return {"by": "the SDK"}

    assert await PlainCalls(call)(ctx, sdk) == {"by": "the SDK"}


async def test_a_result_with_more_than_texts_is_made_to_fit_the_version() -> None:
    async def call(*_: object) -> dict[str, Any]:
        return {"content": [TEXT, {**IMAGE, "mystery": 1}], "resultType": "complete", "unknown": 1}

    result = cast("dict[str, Any]", await PlainCalls(call)(asked({"name": "t"}), cast("Any", None)))

    assert result == {"content": [TEXT, IMAGE]}
