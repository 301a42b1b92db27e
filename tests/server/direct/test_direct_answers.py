"""What plain calls over stdio are answered without the SDK's loop is what the SDK would have answered."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
)
from tests.server.direct.wire import ASKABLE, ENVELOPE, wired
from tests.server.gates import Shop, text
from tests.server.processes import call, request

IMAGE = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
RESULTS: dict[str, dict[str, Any]] = {
    "plain": text("hello"),
    "structured": text("1", structuredContent={"n": 1}, isError=False),
    "failed": text("no", isError=True),
    "image": {"content": [IMAGE, {"type": "text", "text": "an image"}]},
    "unknown_block": {"content": [{"type": "hologram"}]},
    "more": text("x", mystery=1, _meta={"a": 1}),
    "no_content": {"structuredContent": {"n": 1}},
    "malformed": {"content": 1, "isError": "yes"},
    "large_number": text("x", structuredContent={"n": 2**70}),
    "asks": {"resultType": "input_required", "inputRequests": {}, "requestState": "s"},
}
ONE_LOOK = {"calls": [{"tool": "shop__look"}]}


@pytest.mark.parametrize("envelope", [None, ENVELOPE, ASKABLE], ids=["handshake", "newer", "newer and may be asked"])
@pytest.mark.parametrize("name", RESULTS)
async def test_what_a_read_is_answered_is_what_the_sdk_would_have_answered(
    name: str, envelope: Mapping[str, Any] | None, directly: list[Any]
) -> None:
    answers: list[dict[str, Any]] = []
    for direct in (True, False):
        async with wired(Shop(results=RESULTS), direct=direct, envelope=envelope) as wire:
            answers.append(await wire.ask(call(7, f"shop__{name}", a=1)))

    assert answers[0] == answers[1]
    assert directly == [7]


@pytest.mark.parametrize("envelope", [None, ENVELOPE], ids=["handshake", "newer"])
@pytest.mark.parametrize("name", ["batch_call", "batch_read"])
async def test_the_reply_to_a_batch_is_what_the_sdk_would_have_answered(
    name: str, envelope: Mapping[str, Any] | None, directly: list[Any]
) -> None:
    calls: list[dict[str, Any]] = [{"tool": f"shop__{name}", "arguments": {}} for name in RESULTS]
    results: list[dict[str, Any]] = []
    for direct in (True, False):
        async with wired(Shop(results=RESULTS), direct=direct, envelope=envelope) as wire:
            results.append((await wire.ask(call("b", name, calls=calls)))["result"])

    for result in results:
        reply = result["structuredContent"]
        assert json.loads(result["content"][0]["text"]) == reply
        for timed in (reply, *reply["results"]):
            for key in ("batch_id", "summary", "duration_ms", "serial_ms", "queued_ms"):
                timed.pop(key, None)
        del result["content"][0]
    assert results[0] == results[1]
    assert directly == ["b"]


@pytest.mark.parametrize(
    ("changed", "taken"),
    [
        ({}, True),
        ({"progressToken": 7}, True),
        ({LOG_LEVEL_META_KEY: "info", "x.example/own": {"a": 1}}, True),
        ({CLIENT_INFO_META_KEY: {"name": "other", "version": "2"}}, True),
        ({"progressToken": True}, False),
        ({"progressToken": [1]}, False),
        ({LOG_LEVEL_META_KEY: "loud"}, False),
        ({PROTOCOL_VERSION_META_KEY: "2031-01-01"}, False),
        ({PROTOCOL_VERSION_META_KEY: 1}, False),
        ({CLIENT_CAPABILITIES_META_KEY: 1}, False),
        ({CLIENT_CAPABILITIES_META_KEY: {"elicitation": {}}}, True),
    ],
)
async def test_each_envelope_of_the_newer_era_is_taken_for_what_it_says(
    changed: Mapping[str, Any],
    taken: bool,  # noqa: FBT001 - a parameter of the test
    directly: list[Any],
) -> None:
    answers: list[list[dict[str, Any]]] = []
    asked = request(2, "tools/call", {"name": "shop__plain", "_meta": {**ENVELOPE, **changed}})
    for direct in (True, False):
        async with wired(Shop(results=RESULTS), direct=direct, envelope=ENVELOPE) as wire:
            answers.append(
                [await wire.ask(message) for message in (call(1, "shop__plain"), asked, call(3, "shop__plain"))]
            )

    assert answers[0] == answers[1]
    assert directly == ([1, 2, 3] if taken else [1, 3])


@pytest.mark.parametrize("missing", [CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY])
async def test_what_an_envelope_lacks_is_said_as_the_sdk_says_it(missing: str) -> None:
    envelope = {key: value for key, value in ENVELOPE.items() if key != missing}
    asked = request(2, "tools/call", {"name": "shop__plain", "_meta": envelope})
    answers: list[dict[str, Any]] = []
    for direct in (True, False):
        async with wired(Shop(results=RESULTS), direct=direct, envelope=ENVELOPE) as wire:
            answers.append(await wire.ask(asked))

    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "message",
    [
        call(1, "shop__pay", tag="a write"),
        call(1, "nobody__knows"),
        call(1, "find_tools", query="look"),
        call(1, "batch_call", calls=[]),
        call(1, "batch_call", calls=[{"tool": "shop__look"}], dry_run=True),
        request(1, "tools/call", {"name": "shop__look", "arguments": [], "_meta": 1}),
        request(1, "tools/call", {"name": "batch_call", "arguments": ONE_LOOK, "_meta": {"progressToken": 1}}),
        {**call(1, "shop__look"), "id": True},
        {**call(1, "shop__look"), "jsonrpc": "1.0"},
        {**call(1, "shop__look"), "more": 1},
        request(1, "tools/list", {"why": "tools/call"}),
    ],
)
async def test_anything_else_is_the_sdk_s_to_see_to(message: dict[str, Any], directly: list[Any]) -> None:
    async with wired(Shop()) as wire:
        wire.send(message)
        assert (await wire.ask(request("after", "ping", {})))["id"] in (1, "after")

    assert directly == []
