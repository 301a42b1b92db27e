"""Plain calls over stdio, from their line to their answer, and what may come in between."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp_types import CONNECTION_CLOSED
from tests.server.direct.wire import LIMIT_S, Wire, wired
from tests.server.gates import Shop, gate_with, never_up, served, text, tool
from tests.server.processes import INITIALIZE, call, request

from headgate.proxy.attempt import Attempt
from headgate.proxy.connection import AnsweredWithErrorError, CallFailedError, Connection, Opening
from headgate.proxy.direct import Direct
from headgate.proxy.memory import MemoryUpstream
from headgate.server.lines import MAX_UNREAD, source_of
from headgate.server.mcp_server import mcp_server
from headgate.tools.rules import ToolRules, UpstreamRules


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
