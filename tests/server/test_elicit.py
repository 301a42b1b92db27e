"""Asking the person behind an MCP client before a write, through the SDK's own client in both eras."""

import asyncio
from typing import Any

import mcp
import pytest
from mcp import types
from tests.server.gates import Shop, client_of, ended, gate_with, look, pay, said
from tests.virtual_time import in_virtual_time

from headgate.tools.rules import ToolRules, UpstreamRules

pytestmark = [in_virtual_time, pytest.mark.parametrize("mode", ["auto", "wire", "legacy"])]

CAREFUL = UpstreamRules(tools={"pay": ToolRules(confirm=True)})


class Person:
    """Somebody who answers every question alike, and remembers it."""

    def __init__(self, action: str = "accept", *, allow: bool = True, after_s: float = 0) -> None:
        self.asked: list[str] = []
        self._action, self._allow, self._after_s = action, allow, after_s

    async def answer(self, _context: Any, params: Any) -> Any:
        self.asked.append(params.message)
        await asyncio.sleep(self._after_s)
        content: dict[str, Any] | None = {"allow": self._allow} if self._action == "accept" else None
        return types.ElicitResult.model_validate({"action": self._action, "content": content})


async def batch(client: mcp.Client, *calls: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool("batch_call", {"calls": list(calls)})
    return dict(result.structured_content or {})


async def test_what_a_person_allows_is_made(mode: str) -> None:
    person, shop = Person(), Shop()
    async with (
        gate_with(shop=shop, rules=CAREFUL) as gate,
        client_of(gate, mode, elicitation_callback=person.answer) as client,
    ):
        reply = await batch(client, look("a"), pay("b"), pay("c"))

    assert ended(reply) == {"a": "ok", "b": "ok", "c": "ok"}
    assert len(person.asked) == 1
    assert "b: shop__pay" in person.asked[0]


@pytest.mark.parametrize(("action", "allow"), [("accept", False), ("decline", True), ("cancel", True)])
async def test_what_a_person_does_not_allow_is_not_made(mode: str, action: str, *, allow: bool) -> None:
    person, shop = Person(action, allow=allow), Shop()
    async with (
        gate_with(shop=shop, rules=CAREFUL) as gate,
        client_of(gate, mode, elicitation_callback=person.answer) as client,
    ):
        reply = await batch(client, pay("b"))

    assert ended(reply) == {"b": "DENIED"}
    assert shop.events == []


async def test_a_client_that_cannot_ask_gets_the_write_denied_with_the_way_to_allow_it(mode: str) -> None:
    shop = Shop()
    async with gate_with(shop=shop, rules=CAREFUL) as gate, client_of(gate, mode) as client:
        reply = await batch(client, pay("b"))

    assert ended(reply) == {"b": "DENIED"}
    assert "confirm = false" in reply["results"][0]["error"]
    assert shop.events == []


async def test_a_single_call_passed_through_is_asked_about_too(mode: str) -> None:
    yes, no, shop = Person(), Person("decline"), Shop()
    async with gate_with(shop=shop, rules=CAREFUL) as gate:
        async with client_of(gate, mode, elicitation_callback=yes.answer) as client:
            await client.call_tool("shop__pay", {"tag": "b"})
        async with client_of(gate, mode, elicitation_callback=no.answer) as client:
            refused = await client.call_tool("shop__pay", {"tag": "c"})

    assert refused.is_error
    assert said(refused) == "DENIED: a person has declined this write"
    assert shop.events == ["b starts", "b ends"]


async def test_nobody_is_asked_about_what_needs_no_asking(mode: str) -> None:
    person = Person()
    async with (
        gate_with(shop=Shop(), rules=CAREFUL) as gate,
        client_of(gate, mode, elicitation_callback=person.answer) as client,
    ):
        reply = await batch(client, look("a"))

    assert ended(reply) == {"a": "ok"}
    assert person.asked == []
