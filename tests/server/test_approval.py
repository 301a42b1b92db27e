"""Writes that a person has to allow, from the gate's side: asked once, before anything runs."""

import pytest
from tests.server.gates import Shop, ended, gate_with, look, pay
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import CallFailedError
from headgate.server.approval import Approve, Verdict
from headgate.tools.rules import ToolRules, UpstreamRules

pytestmark = in_virtual_time

CAREFUL = UpstreamRules(tools={"pay": ToolRules(confirm=True)})


def answering(verdict: Verdict, asked: list[str]) -> Approve:
    async def approve(question: str) -> Verdict:
        asked.append(question)
        return verdict

    return approve


async def test_all_writes_of_a_batch_are_asked_about_at_once_before_anything_runs() -> None:
    shop, asked = Shop(), list[str]()

    async def approve(question: str) -> Verdict:
        asked.append(question)
        assert shop.events == []
        return "allowed"

    async with gate_with(shop=shop, rules=CAREFUL) as gate:
        reply = await gate.batch([look("a"), pay("b"), pay("c")], approve=approve)

    assert reply["outcome"] == "ok"
    assert len(asked) == 1
    assert "b: shop__pay" in asked[0]
    assert "c: shop__pay" in asked[0]


async def test_what_a_person_declines_is_denied_and_no_write_of_the_batch_runs_while_reads_do() -> None:
    shop = Shop()
    async with gate_with(shop=shop, rules=CAREFUL) as gate:
        reply = await gate.batch([look("a"), pay("b")], approve=answering("declined", []))

    assert ended(reply) == {"a": "ok", "b": "DENIED"}
    assert reply["results"][1]["error"] == "a person has declined this write"
    assert shop.events == ["a starts", "a ends"]


async def test_where_nobody_can_be_asked_the_error_says_how_to_allow_the_write() -> None:
    async with gate_with(shop=Shop(), rules=CAREFUL) as gate:
        reply = await gate.batch([pay("b")])

    assert ended(reply) == {"b": "DENIED"}
    assert "confirm = false" in reply["results"][0]["error"]
    assert "retryable" not in reply["results"][0]


async def test_one_denied_write_keeps_the_other_writes_from_starting() -> None:
    shop = Shop(definitions=[])
    rules = UpstreamRules(tools={"pay": ToolRules(confirm=True), "look": ToolRules(kind="write")})
    async with gate_with(shop=shop, rules=rules) as gate:
        reply = await gate.batch([look("a"), pay("b")], approve=answering("declined", []))

    assert ended(reply) == {"a": "CHAIN_HALTED", "b": "DENIED"}
    assert shop.events == []


async def test_reads_and_plans_are_never_asked_about() -> None:
    asked: list[str] = []
    async with gate_with(shop=Shop(), rules=CAREFUL, confirm_writes=True) as gate:
        await gate.batch([look("a")], approve=answering("declined", asked))
        planned = await gate.batch([pay("b")], approve=answering("declined", asked), dry_run=True)

    assert asked == []
    assert planned["outcome"] == "ok"


async def test_confirm_writes_asks_about_every_write() -> None:
    asked: list[str] = []
    async with gate_with(shop=Shop(), confirm_writes=True) as gate:
        reply = await gate.batch([pay("b")], approve=answering("allowed", asked))

    assert ended(reply) == {"b": "ok"}
    assert len(asked) == 1


async def test_a_single_call_is_asked_about_like_a_batch_of_one() -> None:
    shop, asked = Shop(), list[str]()
    async with gate_with(shop=shop, rules=CAREFUL) as gate:
        await gate.call("shop__pay", {"tag": "b"}, approve=answering("allowed", asked))
        with pytest.raises(CallFailedError, match="declined") as denied:
            await gate.call("shop__pay", {"tag": "c"}, approve=answering("declined", asked))

    assert denied.value.code == "DENIED"
    assert asked == [f'Allow this write?\n- shop__pay\n    tag = "{tag}"' for tag in "bc"]
    assert shop.events == ["b starts", "b ends"]
