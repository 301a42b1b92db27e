"""An integer of more than 64 bits comes back digit for digit, whatever kind of upstream it is of and whoever asks."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import mcp
import pytest
from tests.proxy.endpoints.origin import origin, response
from tests.proxy.faulty import faulty_server, reply
from tests.server.gates import by_id, client_of, said
from tests.server.http.inside import serving
from tests.upstreams.running import echoing_command

from headgate.proxy.connection import Open
from headgate.proxy.endpoints.endpoint import Endpoint
from headgate.proxy.endpoints.opener import endpoints_opener
from headgate.proxy.http import http_opener
from headgate.proxy.journal.chain import events
from headgate.proxy.journal.records import record_of
from headgate.proxy.journal.verify import faults_in
from headgate.proxy.stdio import stdio_opener
from headgate.proxy.target import EndpointsTarget, HttpTarget, StdioTarget
from headgate.server.gate import Gate
from headgate.server.opening import gate_over
from headgate.server.settings import HeadgateSettings, Settings
from headgate.tools.rules import UpstreamRules

LIMIT_S = 20
N = 36893488147419103233
"""2^65 + 1; as a float it ends in 232."""
HUGE = 3 * 10**400 + 1
"""Too large for a float too."""
SAID = {"n": N, "deep": [{"huge": HUGE, "least": -(2**63) - 1}], "x": [0.1, -0.0, 1e22, 2**64 - 1]}
RESULT = {"content": [{"type": "text", "text": json.dumps(SAID)}], "structuredContent": SAID}
GET = {"inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
TOOLS = ("child__get", "far__body", "far__event", "plain__get")


async def body(identity: object, writer: asyncio.StreamWriter) -> None:
    message = {"jsonrpc": "2.0", "id": identity, "result": RESULT}
    await reply(writer, "200 OK", json.dumps(message).encode())


async def event(identity: object, writer: asyncio.StreamWriter) -> None:
    message = {"jsonrpc": "2.0", "id": identity, "result": RESULT}
    await reply(writer, "200 OK", f"data: {json.dumps(message)}\n\n".encode(), "text/event-stream")


@asynccontextmanager
async def upstreams() -> AsyncGenerator[dict[str, Open]]:
    """One of each kind, with reads that answer `SAID`, or what they are asked with."""
    async with asyncio.timeout(LIMIT_S), faulty_server() as far, origin() as plain:
        far.tools = [{"name": "body", **GET}, {"name": "event", **GET}]
        far.raw = {"body": body, "event": event}
        program, *args = echoing_command()
        plain.answers["/said"] = response(json.dumps(SAID).encode())
        yield {
            "child": stdio_opener(StdioTarget(program, tuple(args))),
            "far": http_opener(HttpTarget(far.url), 4),
            "plain": endpoints_opener(EndpointsTarget(plain.url, endpoints=(Endpoint("get", "GET", "/said"),)), 4),
        }


@asynccontextmanager
async def opened(journal: Path | None = None) -> AsyncGenerator[Gate]:
    async with upstreams() as openers:
        settings = Settings(HeadgateSettings(journal=journal, journal_arguments="full"), {})
        async with gate_over(settings, {name: (UpstreamRules(), it) for name, it in openers.items()}) as gate:
            await gate.settled(LIMIT_S)
            yield gate


@asynccontextmanager
async def over_http(mode: Any) -> AsyncGenerator[mcp.Client]:
    async with (
        upstreams() as openers,
        serving(upstreams=openers) as inside,
        mcp.Client(inside.url, mode=mode) as client,
    ):
        yield client


def asked(tool: str) -> Mapping[str, Any]:
    return SAID if tool == "child__get" else {}


async def all_arrive(client: mcp.Client) -> None:
    for tool in TOOLS:
        result = await client.call_tool(tool, {**asked(tool)})
        assert repr(result.structured_content) == repr(SAID), tool
    calls = [{"id": tool, "tool": tool, "arguments": asked(tool)} for tool in TOOLS]
    result = await client.call_tool("batch_call", {"calls": calls})
    reply: Any = result.structured_content
    for told in (reply, json.loads(said(result))):
        assert {name: repr(it["data"]) for name, it in by_id(told).items()} == dict.fromkeys(TOOLS, repr(SAID))
    result = await client.call_tool("get_result", {"batch_id": reply["batch_id"], "id": TOOLS[0]})
    page: Any = result.structured_content
    assert repr(page["data"]) == repr(SAID)


@pytest.mark.parametrize("mode", ["legacy", "auto", "wire", "stdio", "newer stdio"])
async def test_it_arrives_from_every_kind_of_upstream_passed_through_and_in_a_batch(mode: str) -> None:
    async with opened() as gate, client_of(gate, mode) as client:
        await all_arrive(client)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_so_it_does_over_http(mode: str) -> None:
    async with over_http(mode) as client:
        await all_arrive(client)


async def test_it_goes_on_from_call_to_call_and_into_texts_lists_guesses_and_filters() -> None:
    put = {"tool": "child__put"}
    from_get: dict[str, Any] = {"$from": "get", "path": "$.n"}
    calls: list[dict[str, Any]] = [
        {"id": "get", "tool": "far__body", "arguments": {}, "select": "$.n"},
        {"id": "put", **put, "arguments": {"n": from_get, "all": {"$from": "get"}}},
        {"id": "text", **put, "arguments": {"t": {"$format": "n={n}", "n": from_get}}},
        {"id": "each", **put, "for_each": [N, {"n": N}], "arguments": {"n": {"$item": "$"}}},
        {"id": "found", **put, "arguments": {"f": {"$from": "get", "path": f"$[?@.least < {N} || @ == {N}]"}}},
        {
            "id": "guess",
            "tool": "child__get",
            "arguments": {"n": {**from_get, "default": float(N), "speculate": True}},
        },
        {"id": "default", **put, "arguments": {"n": {"$from": "get", "path": "$.no", "default": N}}},
    ]
    async with opened() as gate:
        planned = await gate.batch(calls, dry_run=True)
        reply = by_id(await gate.batch(calls))

    assert planned["outcome"] == "ok"
    data = {name: it.get("data") for name, it in reply.items()}
    assert repr(data) == repr(
        {
            "get": N,
            "put": {"n": N, "all": SAID},
            "text": {"t": f"n={N}"},
            "each": [{"n": N}, {"n": {"n": N}}],
            "found": {"f": [N]},
            "guess": {"n": N},
            "default": {"n": N},
        }
    )


async def test_a_model_that_calls_through_its_provider_is_told_the_digits_it_asked_with() -> None:
    function = {"name": "child__get", "arguments": json.dumps(SAID)}
    async with opened() as gate:
        calls = [{"id": "1", "type": "function", "function": function}]
        (message,) = await gate.answer_openai({"role": "assistant", "tool_calls": calls})

    assert repr(json.loads(message["content"])) == repr(SAID)


async def test_what_a_keyed_write_was_answered_is_replayed_to_the_digit_by_another_headgate(tmp_path: Path) -> None:
    call = {"id": "put", "tool": "child__put", "arguments": SAID, "idempotency_key": "k"}
    replies: list[dict[str, Any]] = []
    for _ in range(2):
        async with opened(tmp_path / "journal.db") as gate:
            replies.append(by_id(await gate.batch([call]))["put"])

    assert [it.get("replayed") for it in replies] == [None, True]
    assert [repr(it["data"]) for it in replies] == [repr(SAID)] * 2
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        (intent, settled) = events(connection)
        assert faults_in(connection) == []
        assert record_of(connection, tmp_path / "journal.db", 1).ending.result is not None
    assert repr(intent.detail["arguments"]) == repr(dict(sorted(SAID.items())))
    assert settled.what == "ok"
