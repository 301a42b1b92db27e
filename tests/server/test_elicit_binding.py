"""An approval is for the calls that were shown, for one run of them, and for as long as somebody waits."""

import asyncio
from typing import Any

import mcp
import pytest
from mcp import types
from mcp.shared.exceptions import MCPError
from tests.server.gates import Shop, client_of, ended, gate_with, pay
from tests.virtual_time import in_virtual_time

from headgate.tools.rules import ToolRules, UpstreamRules

pytestmark = in_virtual_time

CAREFUL = UpstreamRules(tools={"pay": ToolRules(confirm=True)})
YES = types.ElicitResult(action="accept", content={"allow": True})


async def never(_context: Any, _params: Any) -> Any:
    await asyncio.Event().wait()


async def ask(client: mcp.Client, *calls: dict[str, Any], **more: Any) -> Any:
    return await client.session.call_tool("batch_call", {"calls": list(calls)}, allow_input_required=True, **more)


async def test_an_approval_counts_once() -> None:
    shop = Shop()
    async with (
        gate_with(shop=shop, rules=CAREFUL) as gate,
        client_of(gate, "wire", elicitation_callback=never) as client,
    ):
        question = await ask(client, pay("b"))
        answer = {"input_responses": {"headgate": YES}, "request_state": question.request_state}
        first = await ask(client, pay("b"), **answer)
        second = await ask(client, pay("b"), **answer)

    assert ended(first.structured_content) == {"b": "ok"}
    assert second.result_type == "input_required"
    assert shop.events == ["b starts", "b ends"]


async def test_an_approval_is_for_no_other_calls() -> None:
    shop = Shop()
    async with (
        gate_with(shop=shop, rules=CAREFUL) as gate,
        client_of(gate, "wire", elicitation_callback=never) as client,
    ):
        question = await ask(client, pay("b"))
        with pytest.raises(MCPError, match="requestState"):
            await ask(client, pay("x"), input_responses={"headgate": YES}, request_state=question.request_state)

    assert shop.events == []


async def test_an_answer_without_a_question_is_none() -> None:
    shop = Shop()
    async with (
        gate_with(shop=shop, rules=CAREFUL) as gate,
        client_of(gate, "wire", elicitation_callback=never) as client,
    ):
        answered = await ask(client, pay("b"), input_responses={"headgate": YES})

    assert answered.result_type == "input_required"
    assert shop.events == []


async def test_nobody_waits_for_a_person_longer_than_for_a_reply() -> None:
    shop = Shop()
    async with (
        gate_with(shop=shop, rules=CAREFUL, answer_within_s=20.0) as gate,
        client_of(gate, "legacy", elicitation_callback=never) as client,
    ):
        result = await client.call_tool("batch_call", {"calls": [pay("b")]})

    assert ended(result.structured_content or {}) == {"b": "DENIED"}
    assert shop.events == []
