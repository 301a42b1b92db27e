"""Prefetch through the gate: reads made ahead answer the next call for them, and are counted, in virtual time."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import CallFailedError
from headgate.proxy.memory import MemoryUpstream
from headgate.proxy.prefetch import MAX_UNDER_WAY, Prefetched
from headgate.server.gate import Gate
from headgate.server.opening import gate_over
from headgate.server.settings import HeadgateSettings, Settings
from headgate.tools.prefetch import PrefetchCall, PrefetchRule
from headgate.tools.rules import Rate, ToolRules, UpstreamRules

pytestmark = in_virtual_time
READS, WRITES = ("order", "shipment", "stock", "hurt"), ("pay",)
ORDER = {"order_id": "A-17"}


def ahead(*tools: str, within_s: float = 10.0, when: str = "shop__order") -> dict[str, PrefetchRule]:
    """A rule that makes these reads of the same order ahead."""
    calls = tuple(PrefetchCall(tool, {"order_id": {"$arg": "order_id"}}) for tool in tools)
    return {"page": PrefetchRule(when, calls, within_s)}


@dataclass(slots=True)
class Shop:
    """Each of its calls takes a second; `hurt` is refused."""

    made: list[str] = field(default_factory=list[str])
    paid: int = 0

    async def answer(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.made.append(name)
        before = self.paid
        await asyncio.sleep(1)
        self.paid += name == "pay"
        if name == "hurt":
            return {"content": [{"type": "text", "text": "no such order"}], "isError": True}
        return {"content": [], "structuredContent": {"name": name, "of": arguments.get("order_id"), "paid": before}}

    @asynccontextmanager
    async def gate(
        self, rules: Mapping[str, PrefetchRule], shop: UpstreamRules | None = None, **headgate: Any
    ) -> AsyncGenerator[Gate]:
        memory = MemoryUpstream(
            [_declared(name) for name in (*READS, *WRITES)],
            {name: _bound(self, name) for name in (*READS, *WRITES)},
        )
        settings = Settings(HeadgateSettings(**headgate), {}, prefetch=rules)
        async with gate_over(settings, {"shop": (shop or UpstreamRules(), memory.open)}) as gate:
            await gate.settled(5)
            yield gate


def _declared(name: str) -> dict[str, Any]:
    """A tool of the shop; `stock` takes only texts."""
    kind = {"type": "string"} if name == "stock" else {}
    schema = {"type": "object", "properties": {"order_id": kind}}
    return {"name": name, "inputSchema": schema, "annotations": {"readOnlyHint": name in READS}}


def _bound(shop: Shop, name: str) -> Any:
    async def handler(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return await shop.answer(name, arguments)

    return handler


@pytest.fixture
def shop() -> Shop:
    return Shop()


def now() -> float:
    return asyncio.get_running_loop().time()


async def seconds(gate: Gate, tool: str, arguments: Mapping[str, Any] = ORDER) -> float:
    """How long a call takes, to a tenth."""
    began = now()
    await gate.call(tool, arguments)
    return round(now() - began, 1)


async def test_the_next_call_for_a_sibling_is_answered_at_once_and_by_its_own_answer(shop: Shop) -> None:
    async with shop.gate(ahead("shop__shipment", "shop__stock")) as gate:
        assert await seconds(gate, "shop__order") == 1
        await asyncio.sleep(0.1)
        began = now()
        shipment = await gate.call("shop__shipment", ORDER)
        stock = await gate.call("shop__stock", ORDER)

        assert now() - began < 0.01
        assert [it["structuredContent"]["name"] for it in (shipment, stock)] == ["shipment", "stock"]
        assert gate.prefetched() == Prefetched(used=2, wasted=0)
    assert sorted(shop.made) == ["order", "shipment", "stock"]


async def test_a_call_that_comes_while_it_is_on_its_way_waits_for_the_rest_only(shop: Shop) -> None:
    async with shop.gate(ahead("shop__shipment")) as gate, asyncio.TaskGroup() as tasks:
        tasks.create_task(seconds(gate, "shop__order"))
        await asyncio.sleep(0.6)
        assert await seconds(gate, "shop__shipment") == 0.4
        await asyncio.sleep(1)
        assert gate.prefetched() == Prefetched(used=1, wasted=0)
    assert shop.made.count("shipment") == 1


async def test_it_answers_a_call_in_a_batch_which_is_marked(shop: Shop) -> None:
    async with shop.gate(ahead("shop__shipment")) as gate:
        await gate.call("shop__order", ORDER)
        await asyncio.sleep(1)
        reply = await gate.batch([{"tool": "shop__shipment", "arguments": ORDER}])

    (result,) = reply["results"]
    assert (result["status"], result["duration_ms"], result["coalesced"]) == ("ok", 0, True)


async def test_one_result_answers_one_call_and_the_next_goes_out(shop: Shop) -> None:
    async with shop.gate(ahead("shop__shipment")) as gate:
        await gate.call("shop__order", ORDER)
        await asyncio.sleep(1)
        assert [await seconds(gate, "shop__shipment") for _ in range(2)] == [0, 1]
        assert gate.prefetched() == Prefetched(used=1, wasted=0)


async def test_other_arguments_are_not_answered_by_it(shop: Shop) -> None:
    async with shop.gate(ahead("shop__shipment")) as gate:
        await gate.call("shop__order", ORDER)
        await asyncio.sleep(1)
        assert await seconds(gate, "shop__shipment", {"order_id": "B-1"}) == 1


@pytest.mark.parametrize(("after_s", "takes_s", "count"), [(4.9, 0, Prefetched(1, 0)), (5.1, 1, Prefetched(0, 1))])
async def test_a_result_is_kept_for_as_long_as_the_rule_says(
    shop: Shop, after_s: float, takes_s: float, count: Prefetched
) -> None:
    async with shop.gate(ahead("shop__shipment", within_s=5)) as gate:
        await gate.call("shop__order", ORDER)
        await asyncio.sleep(after_s)
        assert await seconds(gate, "shop__shipment") == takes_s
        assert gate.prefetched() == count


async def test_a_write_to_the_upstream_throws_what_is_kept_away(shop: Shop) -> None:
    async with shop.gate(ahead("shop__shipment")) as gate:
        await gate.call("shop__order", ORDER)
        await asyncio.sleep(1)
        await gate.call("shop__pay", {})

        assert gate.prefetched() == Prefetched(used=0, wasted=1)
        answer = await gate.call("shop__shipment", ORDER)
    assert answer["structuredContent"]["paid"] == 1


@pytest.mark.parametrize("after_s", [0.0, 0.5, 0.9])
async def test_a_write_that_begins_while_it_is_on_its_way_makes_it_useless(shop: Shop, after_s: float) -> None:
    async with shop.gate(ahead("shop__shipment")) as gate, asyncio.TaskGroup() as tasks:
        tasks.create_task(seconds(gate, "shop__order"))
        await asyncio.sleep(after_s)
        await gate.call("shop__pay", {})

        answer = await gate.call("shop__shipment", ORDER)
        assert answer["structuredContent"]["paid"] == 1
        assert gate.prefetched() == Prefetched(used=0, wasted=1)


async def test_what_sets_out_during_a_write_is_not_kept_either(shop: Shop) -> None:
    async with shop.gate(ahead("shop__shipment")) as gate, asyncio.TaskGroup() as tasks:
        tasks.create_task(seconds(gate, "shop__pay"))
        await asyncio.sleep(0.5)
        await gate.call("shop__order", ORDER)

        answer = await gate.call("shop__shipment", ORDER)
    assert answer["structuredContent"]["paid"] == 1


async def test_an_error_of_the_upstream_is_never_given_to_anybody(shop: Shop) -> None:
    async with shop.gate(ahead("shop__hurt")) as gate:
        await gate.call("shop__order", ORDER)
        await asyncio.sleep(1)
        assert gate.prefetched() == Prefetched(used=0, wasted=1)

        assert await seconds(gate, "shop__hurt") == 1
    assert shop.made.count("hurt") == 2


async def test_who_waits_for_one_that_fails_makes_the_call_itself(shop: Shop) -> None:
    rules = UpstreamRules(tools={"shipment": ToolRules(timeout_s=0.7)})
    async with shop.gate(ahead("shop__shipment"), rules) as gate, asyncio.TaskGroup() as tasks:
        tasks.create_task(seconds(gate, "shop__order"))
        await asyncio.sleep(0.5)
        with pytest.raises(CallFailedError, match=r"no answer in 0\.7 s"):
            await gate.call("shop__shipment", ORDER)
        assert now() == pytest.approx(0.7 + 0.7, abs=0.1)
        assert gate.prefetched() == Prefetched(used=0, wasted=1)


@pytest.mark.parametrize(
    "rule", [ahead("shop__shipment", "shop__pay"), ahead("shop__shipment", when="shop__pay")], ids=["calls", "when"]
)
async def test_a_rule_that_names_a_write_does_nothing_but_say_so_once(
    shop: Shop, rule: dict[str, PrefetchRule], caplog: pytest.LogCaptureFixture
) -> None:
    async with shop.gate(rule) as gate:
        for _ in range(3):
            await gate.call(rule["page"].when, ORDER)
        await asyncio.sleep(1)

    assert set(shop.made) == {rule["page"].when.removeprefix("shop__")}
    assert _said(caplog, logging.WARNING) == ['prefetch rule "page" does nothing: "shop__pay" is a write']


async def test_a_rule_with_an_unknown_tool_makes_the_others_and_says_so_once(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop.gate(ahead("shop__nope", "shop__stock")) as gate:
        for _ in range(2):
            await gate.call("shop__order", ORDER)
            await asyncio.sleep(20)

    assert shop.made == ["order", "stock"] * 2
    assert sum("shop__nope" in record.getMessage() for record in caplog.records) == 1


async def test_it_does_not_go_on_from_a_call_made_ahead(shop: Shop) -> None:
    rules = ahead("shop__shipment") | {"more": ahead("shop__stock", when="shop__shipment")["page"]}
    async with shop.gate(rules) as gate:
        await gate.call("shop__order", ORDER)
        await asyncio.sleep(3)
    assert sorted(shop.made) == ["order", "shipment"]


async def test_a_call_in_a_batch_starts_nothing(shop: Shop) -> None:
    async with shop.gate(ahead("shop__shipment")) as gate:
        await gate.batch([{"tool": "shop__order", "arguments": ORDER}])
        await asyncio.sleep(3)
    assert shop.made == ["order"]


async def test_a_sibling_whose_argument_is_not_there_is_not_made(shop: Shop) -> None:
    async with shop.gate(ahead("shop__shipment")) as gate:
        await gate.call("shop__order", {"number": 5})
        await asyncio.sleep(3)
    assert shop.made == ["order"]


async def test_what_is_kept_or_on_its_way_already_is_not_made_again(shop: Shop) -> None:
    async with shop.gate(ahead("shop__shipment")) as gate:
        for _ in range(3):
            await gate.call("shop__order", ORDER)
        await gate.call("shop__shipment", ORDER)
        assert gate.prefetched() == Prefetched(used=1, wasted=0)
    assert shop.made.count("shipment") == 1


async def test_calls_ahead_are_under_the_limits_of_every_call(shop: Shop) -> None:
    rules = UpstreamRules(concurrency=1)
    async with shop.gate(ahead("shop__shipment", "shop__stock"), rules) as gate:
        assert await seconds(gate, "shop__order") == 1
        assert await seconds(gate, "shop__order", {"order_id": "B-1"}) == 3


async def test_no_more_than_a_bound_are_under_way(shop: Shop) -> None:
    async with shop.gate(ahead("shop__shipment"), UpstreamRules(concurrency=1000)) as gate:
        async with asyncio.TaskGroup() as tasks:
            for number in range(MAX_UNDER_WAY * 2):
                tasks.create_task(seconds(gate, "shop__order", {"order_id": number}))
        await asyncio.sleep(1)
    assert shop.made.count("shipment") == MAX_UNDER_WAY


async def test_when_too_many_results_wait_the_oldest_goes(shop: Shop) -> None:
    async with shop.gate(ahead("shop__shipment", within_s=300), UpstreamRules(concurrency=1000)) as gate:
        for number in range(102):
            await gate.call("shop__order", {"order_id": number})
        await asyncio.sleep(1)
        assert gate.prefetched() == Prefetched(used=0, wasted=2)
        assert [await seconds(gate, "shop__shipment", {"order_id": n}) for n in (0, 101, 2)] == [1, 0, 0]


async def test_when_the_gate_closes_it_waits_for_none_and_says_what_it_was_worth(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "headgate")
    async with shop.gate(ahead("shop__shipment", "shop__stock")) as gate:
        await gate.call("shop__order", ORDER)
        await asyncio.sleep(1)
        await gate.call("shop__shipment", ORDER)
        async with asyncio.TaskGroup() as tasks:
            calling = tasks.create_task(seconds(gate, "shop__order", {"order_id": "B-1"}))
            await asyncio.sleep(0.2)
            calling.cancel()
        began = now()

    assert now() - began < 0.1
    assert gate.prefetched() == Prefetched(used=1, wasted=3)
    assert _said(caplog) == ["prefetch: 1 used, 3 wasted"]


async def test_a_gate_does_not_stay_open_for_a_call_ahead_that_waits_for_its_pace(shop: Shop) -> None:
    rules = UpstreamRules(tools={"shipment": ToolRules(rate=Rate(1, 3600.0, 1))})
    async with shop.gate(ahead("shop__shipment"), rules) as gate:
        await gate.call("shop__shipment", ORDER)
        await gate.call("shop__order", ORDER)
        began = now()
    assert now() - began < 0.1


async def test_a_call_whose_arguments_its_tool_does_not_take_is_not_made(shop: Shop) -> None:
    async with shop.gate(ahead("shop__stock", "shop__shipment")) as gate:
        await gate.call("shop__order", {"order_id": 17})
        await asyncio.sleep(1)
    assert sorted(shop.made) == ["order", "shipment"]


async def test_without_a_rule_nothing_is_said_or_counted(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "headgate")
    async with shop.gate({}) as gate:
        await gate.call("shop__order", ORDER)
        assert gate.prefetched() == Prefetched(used=0, wasted=0)
    assert _said(caplog) == []


def _said(caplog: pytest.LogCaptureFixture, least: int = logging.INFO) -> Sequence[str]:
    said = (record.getMessage() for record in caplog.records if record.levelno >= least)
    return [line for line in said if line.startswith("prefetch")]
