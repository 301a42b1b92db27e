"""Idempotency keys as a client of headgate sees them: one write, one outcome, however often it is asked for."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.server.gates import Shop, by_id, ended, gate_with, look, pay
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import CallFailedError
from headgate.server.callers import Caller
from headgate.server.settings import parse_settings
from headgate.tools.rules import Forward, ToolRules, UpstreamRules

pytestmark = in_virtual_time


def made(shop: Shop) -> list[str]:
    return [event.removesuffix(" ends") for event in shop.events if event.endswith(" ends")]


async def test_the_same_batch_sent_again_gives_the_same_answers_and_makes_nothing() -> None:
    shop = Shop()
    async with gate_with(shop=shop) as gate:
        calls = [pay("a", idempotency_key="k1"), pay("b", idempotency_key="k2"), look("c", idempotency_key="k3")]
        first = by_id(await gate.batch(calls))
        again = by_id(await gate.batch(calls))

    assert [first[it]["data"] for it in "ab"] == [again[it]["data"] for it in "ab"]
    assert [again[it].get("replayed") for it in "abc"] == [True, True, None]
    assert "replayed" not in first["a"]
    assert made(shop) == ["a", "b", "c", "c"]


async def test_a_key_for_each_item_says_that_nothing_was_made_again_only_if_that_is_so_for_all() -> None:
    shop = Shop()
    async with gate_with(shop=shop) as gate:
        replies = [
            by_id(await gate.batch([pay("a", idempotency_key="k", for_each=items)])) for items in ([1], [1], [1, 2], [])
        ]

    assert [reply["a"].get("replayed") for reply in replies] == [None, True, None, None]
    assert made(shop) == ["a", "a"]


async def test_a_client_that_times_out_and_sends_its_batch_again_joins_the_one_under_way() -> None:
    shop = Shop()
    async with gate_with(shop=shop) as gate:
        calls = [pay("a", 20, idempotency_key="k1")]
        async with asyncio.TaskGroup() as tasks:
            hasty = tasks.create_task(gate.batch(calls))
            await asyncio.sleep(5)
            hasty.cancel()
            again = tasks.create_task(gate.batch(calls))

    assert ended(again.result()) == {"a": "ok"}
    assert made(shop) == ["a"]


async def test_other_arguments_under_the_same_key_end_the_chain() -> None:
    shop = Shop()
    async with gate_with(shop=shop) as gate:
        await gate.batch([pay("a", idempotency_key="k")])
        reply = await gate.batch([pay("b", idempotency_key="k"), pay("c")])

    assert ended(reply) == {"b": "CONFLICT", "c": "CHAIN_HALTED"}
    assert made(shop) == ["a"]


async def test_the_same_key_of_another_tenant_is_another_write() -> None:
    shop = Shop()
    async with gate_with(shop=shop) as gate:
        request = {"calls": [pay("a", idempotency_key="k")]}
        replies = [(await gate.run(request, caller=Caller(tenant))).reply for tenant in ("ada", "bob", "ada")]

    assert [by_id(reply)["a"].get("replayed") for reply in replies] == [None, None, True]
    assert made(shop) == ["a", "a"]


async def test_each_item_of_a_list_has_a_key_of_its_own() -> None:
    shop = Shop()
    each = {
        "id": "all",
        "tool": "shop__pay",
        "for_each": ["a", "b"],
        "arguments": {"tag": {"$item": "$"}},
        "idempotency_key": "k",
    }
    async with gate_with(shop=shop) as gate:
        await gate.batch([each])
        await gate.batch([each])
        await gate.batch([{**each, "for_each": ["a", "b", "c"]}])
        alone = await gate.batch([pay("b", idempotency_key="k[1]")])

    assert made(shop) == ["a", "b", "c"]
    assert ended(alone) == {"b": "CONFLICT"}  # the same key, but with "s" among its arguments


async def test_each_write_of_a_recipe_has_a_key_of_its_own() -> None:
    text = """
    [headgate]
    journal = "memory"
    [recipes.twice]
    calls = [
      { id = "one", tool = "shop__pay", arguments = { tag = "one" } },
      { id = "two", tool = "shop__pay", arguments = { tag = "two" } },
    ]
    """
    from headgate.server.opening import gate_over

    shop = Shop()
    settings = parse_settings(text, environ={})
    call: dict[str, Any] = {"id": "r", "tool": "twice", "arguments": {}, "idempotency_key": "k"}
    async with gate_over(settings, {"shop": (UpstreamRules(), shop.open)}) as gate:
        await gate.settled(5)
        first, again = await gate.batch([call]), await gate.batch([call])

    assert made(shop) == ["one", "two"]
    assert by_id(first)["r"]["data"] == by_id(again)["r"]["data"]


async def test_the_key_reaches_the_server_where_its_tool_takes_one_though_the_model_does_not_know() -> None:
    schema = {"type": "object", "properties": {"request_id": {"type": "string"}}, "required": ["request_id"]}
    shop = Shop(definitions=[])
    shop.upstream.definitions[1]["inputSchema"] = schema  # pyright: ignore[reportIndexIssue]
    rules = UpstreamRules(tools={"pay": ToolRules(forward=Forward("argument", "request_id"))})
    seen: list[Any] = []

    async def note(arguments: Any) -> Any:
        seen.append(arguments)
        return {"content": []}

    shop.upstream.handlers["pay"] = note  # pyright: ignore[reportIndexIssue]
    async with gate_with(shop=shop, rules=rules) as gate:
        plain: dict[str, Any] = {"tool": "pay", "arguments": {}}
        reply = await gate.batch([{**plain, "idempotency_key": "k"}, plain])

    assert [result["status"] for result in reply["results"]] == ["ok", "ok"]
    assert seen[0] == {"request_id": "k"}
    assert seen[1]["request_id"].startswith("headgate-")


async def test_what_only_reads_never_touches_the_journal(tmp_path: Path) -> None:
    shop = Shop()
    async with gate_with(shop=shop, journal=tmp_path / "state" / "journal.db") as gate:
        await gate.batch([look("a"), look("b", idempotency_key="k")])

    assert not (tmp_path / "state").exists()


async def test_a_write_that_is_passed_through_and_not_answered_is_told_as_what_it_is() -> None:
    shop = Shop()
    rules = UpstreamRules(every_tool=ToolRules(timeout_s=2))
    async with gate_with(shop=shop, rules=rules) as gate:
        with pytest.raises(CallFailedError) as write:
            await gate.call("shop__pay", {"s": 9})
        with pytest.raises(CallFailedError) as read:
            await gate.call("shop__look", {"s": 9})

    assert (write.value.code, read.value.code) == ("OUTCOME_UNKNOWN", "TOOL_TIMEOUT")
    assert str(write.value).endswith("check with a read, and never send it again under another key")
