"""Plain calls over stdio are answered without the SDK's loop, and nobody can tell from the answers."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    CONNECTION_CLOSED,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
)
from tests.server.gates import Shop, gate_with, never_up, served, text, tool
from tests.server.processes import INITIALIZE, INITIALIZED, call, request

from headgate.proxy.attempt import Attempt
from headgate.proxy.connection import AnsweredWithErrorError, CallFailedError, Connection, Opening
from headgate.proxy.direct import Direct
from headgate.proxy.memory import MemoryUpstream
from headgate.server.direct.calls import Calls
from headgate.server.lines import MAX_UNREAD, LineSource, source_of
from headgate.server.mcp_server import mcp_server
from headgate.tools.rules import ToolRules, UpstreamRules

LIMIT_S = 20
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
ENVELOPE = {
    PROTOCOL_VERSION_META_KEY: "2026-07-28",
    CLIENT_INFO_META_KEY: {"name": "lines", "version": "1"},
    CLIENT_CAPABILITIES_META_KEY: {},
}

ASKABLE: dict[str, Any] = {**ENVELOPE, CLIENT_CAPABILITIES_META_KEY: {"elicitation": {}}}


class Wire:
    """The client's end, in lines."""

    def __init__(self, source: LineSource, requests: int, envelope: Mapping[str, Any] | None = None) -> None:
        self._source = source
        self._requests = requests
        self._envelope = envelope
        """Of the newer era, what goes with each request that says nothing else."""

    def send(self, *messages: Mapping[str, Any]) -> None:
        os.write(self._requests, b"".join(json.dumps(self._whole(message)).encode() + b"\n" for message in messages))

    def _whole(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._envelope is None or "id" not in message or "_meta" in message["params"]:
            return message
        return {**message, "params": {**message["params"], "_meta": self._envelope}}

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(LIMIT_S):
            line = await self._source.next_line()
        assert line is not None, "it closed the line"
        return json.loads(line)

    async def answer(self) -> dict[str, Any]:
        while "id" not in (message := await self.receive()):
            pass
        return message

    async def ask(self, *messages: Mapping[str, Any]) -> dict[str, Any]:
        self.send(*messages)
        return await self.answer()


@asynccontextmanager
async def wired(
    shop: Shop,
    rules: UpstreamRules | None = None,
    *,
    direct: bool = True,
    envelope: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncGenerator[Wire]:
    """A client that has shaken hands, or is of the newer era if it has an `envelope`.

    Unless `direct`, all that it asks goes through the SDK's loop.
    """
    async with gate_with(shop=shop, rules=rules, **settings) as gate:
        server, _ = mcp_server(gate)
        if not direct:
            server.front = None
        async with served(server) as (answers, requests):
            source = await source_of(answers)
            wire = Wire(source, requests, envelope)
            try:
                if envelope is None:
                    await wire.ask(request("hello", "initialize", INITIALIZE))
                    await wire.ask(INITIALIZED, request("up", "ping", {}))
                else:
                    await wire.ask(request("up", "tools/list", {"_meta": ENVELOPE}))
                yield wire
            finally:
                os.close(requests)
                source.close()


@pytest.fixture
def directly(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The ids of the requests that were answered without the SDK."""
    answered: list[Any] = []
    answer = Calls.answer

    def noted(self: Calls, asked: Any, body: Mapping[str, Any]) -> None:
        answered.append(asked.identity)
        answer(self, asked, body)

    monkeypatch.setattr(Calls, "answer", noted)
    return answered


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


async def test_a_call_waits_in_line_behind_a_request_that_is_none(directly: list[Any]) -> None:
    async with wired(Shop(), others={"slow": never_up}) as wire:
        while "isError" in (await wire.ask(call(1, "shop__look")))["result"]:  # noqa: ASYNC110 - until it is up
            await asyncio.sleep(0.01)
        directly.clear()
        wire.send(request("list", "prompts/list", {}))
        await wire.ask(request("after", "ping", {}))  # by then the list is asked for, and waits for the slow upstream
        answer = await wire.ask(call(2, "shop__look"))

    assert answer["id"] == 2
    assert directly == []


async def test_what_an_upstream_tells_during_a_read_reaches_the_client_before_the_answer(directly: list[Any]) -> None:
    class Telling(MemoryUpstream):
        @asynccontextmanager
        async def open(self, _opening: Opening) -> AsyncGenerator[Connection]:
            async with super().open(_opening) as connection:
                connection.begin = self.begin  # pyright: ignore[reportAttributeAccessIssue]
                yield connection

        def begin(self, direct: Direct) -> bool:
            client = direct.attempt.client
            assert client is not None
            direct.carried(lambda: False, lambda error: CallFailedError("UPSTREAM_ERROR", str(error), sent=True))

            def tell_and_answer() -> None:
                client.tell("notifications/message", {"level": "warning", "data": "careful"})
                direct.set_result(text("done"))

            asyncio.get_running_loop().call_soon(tell_and_answer)
            return True

    shop = Shop()
    shop.upstream = Telling([tool("tell", read=True)], {})
    async with wired(shop) as wire:
        wire.send(call(1, "shop__tell"))
        told = [await wire.receive(), await wire.receive()]

    assert [message.get("method", message.get("id")) for message in told] == ["notifications/message", 1]
    assert directly == [1]


async def test_a_read_that_is_called_off_ends_at_the_upstream_and_gets_no_answer(directly: list[Any]) -> None:
    shop = Shop()
    async with wired(shop) as wire:
        wire.send(call(5, "shop__look", tag="slow", s=LIMIT_S))
        await starts(shop, "slow")
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "5"}}
        answer = await wire.ask(cancelled, call(6, "shop__look", tag="next"))

    assert answer["id"] == 6
    assert shop.events == ["slow starts", "slow is cancelled", "next starts", "next ends"]
    assert 5 not in directly


async def test_a_batch_that_is_called_off_starts_nothing_more_and_gets_no_answer(directly: list[Any]) -> None:
    shop = Shop()
    calls = [
        {"id": "a", "tool": "shop__look", "arguments": {"tag": "a", "s": LIMIT_S}},
        {"tool": "shop__look", "arguments": {"tag": "b"}, "depends_on": ["a"]},
    ]
    async with wired(shop) as wire:
        wire.send(call(5, "batch_call", calls=calls))
        await starts(shop, "a")
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
        answer = await wire.ask(cancelled, call(6, "shop__look", tag="next"))

    assert answer["id"] == 6
    assert shop.events == ["a starts", "a is cancelled", "next starts", "next ends"]
    assert 5 not in directly


async def test_two_requests_with_one_id_are_both_answered_and_the_later_one_can_be_called_off() -> None:
    shop = Shop()
    async with wired(shop) as wire:
        wire.send(call(1, "shop__look", tag="first", s=0.2), call(1, "shop__look", tag="second", s=LIMIT_S))
        await starts(shop, "second")
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        first = await wire.ask(cancelled)

    assert first["result"]["structuredContent"]["tag"] == "first"
    assert "second is cancelled" in shop.events


async def test_a_batch_whose_reply_is_due_is_answered_while_it_runs() -> None:
    calls = [{"tool": "shop__look", "arguments": {"tag": "a", "s": LIMIT_S}}, {"tool": "shop__look"}]
    async with wired(Shop(), answer_within_s=0.2) as wire:
        reply = (await wire.ask(call(1, "batch_call", calls=calls)))["result"]["structuredContent"]

    assert reply["outcome"] == "pending"
    assert [result["status"] for result in reply["results"]] == ["pending", "ok"]


async def test_a_read_that_fails_in_passing_is_made_again() -> None:
    tries: list[str] = []

    async def shaky(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        tries.append("try")
        if len(tries) == 1:
            raise CallFailedError("UPSTREAM_ERROR", "a hiccup", sent=True, transient=True)
        return text("well")

    shop = Shop()
    shop.upstream = MemoryUpstream([tool("shaky", read=True)], {"shaky": shaky})
    async with wired(shop) as wire:
        answer = await wire.ask(call(1, "shop__shaky"))

    assert answer["result"] == text("well")
    assert len(tries) == 2


async def test_why_a_read_fails_is_said_in_its_result_and_an_error_of_the_protocol_stays_one() -> None:
    async def refuse(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        raise AnsweredWithErrorError("sign in first", -32042, {"url": "x"})

    async def fail(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        raise CallFailedError("RATE_LIMITED", "too many", sent=True)

    async def hang(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    shop = Shop()
    handlers = {"refuse": refuse, "fail": fail, "hang": hang}
    shop.upstream = MemoryUpstream([tool(name, read=True) for name in handlers], handlers)
    async with wired(shop, UpstreamRules(every_tool=ToolRules(timeout_s=0.1))) as wire:
        refused = await wire.ask(call(1, "shop__refuse"))
        failed = await wire.ask(call(2, "shop__fail"))
        timed_out = await wire.ask(call(3, "shop__hang"))

    assert refused["error"] == {"code": -32042, "message": "sign in first", "data": {"url": "x"}}
    assert failed["result"] == text("RATE_LIMITED: too many", isError=True)
    assert timed_out["result"] == text("TOOL_TIMEOUT: no answer in 0.1 s", isError=True)


async def test_what_is_under_way_when_serving_ends_is_answered_with_that() -> None:
    shop = Shop()
    async with gate_with(shop=shop) as gate:
        server, _ = mcp_server(gate)
        async with served(server) as (answers, requests):
            source = await source_of(answers)
            wire = Wire(source, requests)
            await wire.ask(request("hello", "initialize", INITIALIZE))
            wire.send(
                call(1, "shop__look", tag="a", s=LIMIT_S),
                call(2, "batch_call", calls=[{"tool": "shop__look", "arguments": {"tag": "b", "s": LIMIT_S}}]),
            )
            await starts(shop, "b")
            os.close(requests)
            ended = [await wire.answer(), await wire.answer()]
            source.close()

    assert [(answer["id"], answer["error"]["code"]) for answer in ended] == [
        (1, CONNECTION_CLOSED),
        (2, CONNECTION_CLOSED),
    ]
    assert {"a is cancelled", "b is cancelled"} <= {*shop.events}


async def test_of_a_client_that_does_not_read_nothing_more_is_taken_in_and_nothing_is_lost() -> None:
    shop, count, size = Shop(), 400, 10_000
    async with wired(shop) as wire:
        loop = asyncio.get_running_loop()
        requests = [call(number, "shop__look", tag=str(number), echo="x" * size) for number in range(count)]
        sending = loop.run_in_executor(None, wire.send, *requests)
        seen = -1
        while seen != (seen := len(shop.events)):  # noqa: ASYNC110 - until nothing more is begun
            await asyncio.sleep(0.2)
        assert seen // 2 * size <= 3 * MAX_UNREAD
        answers = [await wire.answer() for _ in range(count)]
        await sending

    assert sorted(answer["id"] for answer in answers) == [*range(count)]


async def test_a_stumble_of_headgate_is_one_request_s_and_said_without_its_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Attempt):
        def __init__(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("a secret")

    async with wired(Shop()) as wire:
        with monkeypatch.context() as patched:
            patched.setattr("headgate.server.gate.Attempt", Broken)
            stumbled = await wire.ask(call(1, "shop__look"))
        after = await wire.ask(call(2, "shop__look", tag="after"))

    assert stumbled["result"] == text("headgate could not make this call; its log says why", isError=True)
    assert after["result"]["structuredContent"]["tag"] == "after"
    assert "a secret" in caplog.text


async def starts(shop: Shop, tag: str) -> None:
    async with asyncio.timeout(LIMIT_S):
        while f"{tag} starts" not in shop.events:  # noqa: ASYNC110 - a list has no event
            await asyncio.sleep(0.01)
