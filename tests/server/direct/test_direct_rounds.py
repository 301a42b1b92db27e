"""Reads of a client of the newer era whose upstream asks it something in their midst: it answers with its next try."""

import asyncio
import gc
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.server.direct.wire import ASKABLE, LIMIT_S, Wire, wired
from tests.server.gates import Shop, gate_with, served, text, tool
from tests.server.processes import call, request

from headgate.proxy.client import patient
from headgate.proxy.connection import CallFailedError, Connection, Opening
from headgate.proxy.direct import Direct
from headgate.proxy.memory import MemoryUpstream
from headgate.server.beside import beside
from headgate.server.lines import source_of
from headgate.server.mcp_server import mcp_server
from headgate.server.passing.clients import RoundsClient

QUESTION: dict[str, Any] = {
    "mode": "form",
    "message": "Who are you?",
    "requestedSchema": {"type": "object", "properties": {}},
}


class Asking(MemoryUpstream):
    """Asks `rounds` questions in the midst of each call, answers with the answers, and can break off."""

    def __init__(self, rounds: int = 1) -> None:
        super().__init__([tool("ask", read=True)], {"ask": self._again})
        self.rounds = rounds
        self.calls: list[Direct] = []
        self.made_again = 0
        self.called_off = 0
        self.tasks: asyncio.TaskGroup
        self.asking: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def open(self, _opening: Opening) -> AsyncGenerator[Connection]:
        async with super().open(_opening) as connection:
            connection.begin = self.begin  # pyright: ignore[reportAttributeAccessIssue]
            async with asyncio.TaskGroup() as self.tasks:
                try:
                    yield connection
                finally:
                    for asking in self.asking:
                        asking.cancel()

    def begin(self, direct: Direct) -> bool:
        self.calls.append(direct)
        direct.carried(self._call_off, lambda error: error)  # pyright: ignore[reportArgumentType]
        self.asking.append(self.tasks.create_task(self._ask(direct)))
        return True

    def _call_off(self) -> bool:
        self.called_off += 1
        return False

    async def _ask(self, direct: Direct) -> None:
        assert direct.attempt.client is not None
        client = patient(direct.attempt.client, direct.attempt)
        names = [(await client.ask("elicitation/create", QUESTION))["content"]["name"] for _ in range(self.rounds)]
        if not direct.done():
            direct.set_result(text(" ".join(names)))

    async def _again(self, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.made_again += 1
        return text("made again")


def shop_of(upstream: MemoryUpstream) -> Shop:
    shop = Shop()
    shop.upstream = upstream
    return shop


def next_try(identity: int, question: Mapping[str, Any], name: str, **arguments: Any) -> dict[str, Any]:
    """The request again, with what was asked for."""
    answers = {key: {"action": "accept", "content": {"name": name}} for key in question.get("inputRequests", {})}
    brought = {"inputResponses": answers, "requestState": question["requestState"]}
    return request(identity, "tools/call", {"name": "shop__ask", "arguments": arguments, **brought})


async def test_the_question_is_the_answer_and_the_read_goes_on_with_the_next_try(directly: list[Any]) -> None:
    upstream = Asking(rounds=2)
    async with wired(shop_of(upstream), envelope=ASKABLE) as wire:
        first = (await wire.ask(call(1, "shop__ask")))["result"]
        second = (await wire.ask(next_try(2, first, "Ada")))["result"]
        last = (await wire.ask(next_try(3, second, "Grace")))["result"]

    assert [it["resultType"] for it in (first, second, last)] == ["input_required", "input_required", "complete"]
    (asked,) = first["inputRequests"].values()
    assert asked == {"method": "elicitation/create", "params": QUESTION}
    assert last["content"] == text("Ada Grace")["content"]
    assert len(upstream.calls) == 1
    assert directly == [1]


async def test_other_calls_go_on_while_one_waits_for_its_client() -> None:
    upstream = Asking()
    async with wired(shop_of(upstream), envelope=ASKABLE) as wire:
        questions = [(await wire.ask(call(number, "shop__ask", n=number)))["result"] for number in range(3)]

        assert all(direct.state == "under way" for direct in upstream.calls)
        names = ["Ada", "Grace", "Mary"]
        tries = [next_try(10 + n, questions[n], names[n], n=n) for n in reversed(range(3))]
        answers = [(await wire.ask(each))["result"]["content"] for each in tries]

    assert answers == [text(name)["content"] for name in reversed(names)]


async def test_a_read_whose_line_breaks_while_its_client_is_asked_is_made_again_and_answers_the_next_try() -> None:
    upstream = Asking()
    async with wired(shop_of(upstream), envelope=ASKABLE) as wire:
        question = (await wire.ask(call(1, "shop__ask")))["result"]
        upstream.calls[0].set_exception(CallFailedError("UPSTREAM_ERROR", "the line broke", sent=True, transient=True))
        answer = (await wire.ask(next_try(2, question, "Ada")))["result"]

    assert answer["content"] == text("made again")["content"]
    assert upstream.made_again == 1


async def test_why_a_read_has_failed_is_told_to_the_next_try() -> None:
    upstream = Asking()
    async with wired(shop_of(upstream), envelope=ASKABLE) as wire:
        question = (await wire.ask(call(1, "shop__ask")))["result"]
        upstream.calls[0].set_exception(CallFailedError("UPSTREAM_ERROR", "no", sent=True))
        answer = (await wire.ask(next_try(2, question, "Ada")))["result"]

    assert (answer["isError"], answer["content"][0]["text"]) == (True, "UPSTREAM_ERROR: no")


async def test_one_that_is_given_up_while_it_waits_is_called_off_at_its_upstream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("headgate.server.passing.desk.PARKED_S", 0.05)
    upstream = Asking()
    async with wired(shop_of(upstream), envelope=ASKABLE) as wire:
        question = (await wire.ask(call(1, "shop__ask")))["result"]
        async with asyncio.timeout(LIMIT_S):
            while not upstream.called_off:  # noqa: ASYNC110 - the far end sets no event
                await asyncio.sleep(0.01)
        late = await wire.ask(next_try(2, question, "Ada"))

    assert upstream.calls[0].state == "called off"
    assert "requestState" in late["error"]["message"]


async def test_when_serving_ends_what_waits_for_its_client_is_called_off() -> None:
    upstream = Asking()
    async with gate_with(shop=shop_of(upstream)) as gate:
        server, changes = mcp_server(gate)
        async with beside(changes.run()), served(server) as (answers, requests):
            source = await source_of(answers)
            wire = Wire(source, requests, ASKABLE)
            await wire.ask(request("up", "tools/list", {"_meta": ASKABLE}))
            await wire.ask(call(1, "shop__ask"))
            os.close(requests)
            source.close()
        async with asyncio.timeout(LIMIT_S):
            while not upstream.called_off:  # noqa: ASYNC110 - the far end sets no event
                await asyncio.sleep(0.01)

    assert upstream.calls[0].state == "called off"


async def test_a_read_that_is_answered_as_it_asks_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = Asking()
    ask = RoundsClient.ask

    async def answered_meanwhile(self: RoundsClient, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        asyncio.get_running_loop().call_soon(upstream.calls[0].set_result, text("never mind"))
        return await ask(self, method, params)

    monkeypatch.setattr(RoundsClient, "ask", answered_meanwhile)
    async with wired(shop_of(upstream), envelope=ASKABLE) as wire:
        answer = (await wire.ask(call(1, "shop__ask")))["result"]

    assert answer["content"] == text("never mind")["content"]


async def test_reads_that_are_answered_leave_no_rings_for_the_garbage_collector() -> None:
    async with wired(Shop(results={"plain": text("hello")}), envelope=ASKABLE) as wire:
        await wire.ask(call(0, "shop__plain"))
        gc.collect()
        gc.disable()
        try:
            for number in range(1, 50):
                await wire.ask(call(number, "shop__plain"))
            assert sum(isinstance(it, RoundsClient) for it in gc.get_objects()) <= 1
        finally:
            gc.enable()
