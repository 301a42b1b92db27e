"""The sample servers, each started as a real process and asked through the SDK's own client."""

import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter
from typing import Any, cast

import anyio
import pytest
from mcp import Client, StdioServerParameters

from headgate.server.demo.servers import orders, payments, shipments

MODULE = ("-m", "headgate.server.demo.servers")
LONGEST_WAIT_S = 30.0


@asynccontextmanager
async def running(*names: str) -> AsyncGenerator[list[Client]]:
    with anyio.fail_after(LONGEST_WAIT_S):
        async with AsyncExitStack() as stack:
            parameters = [StdioServerParameters(command=sys.executable, args=[*MODULE, name]) for name in names]
            yield [await stack.enter_async_context(Client(one)) for one in parameters]


async def answer(client: Client, tool: str, **arguments: str) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error
    return cast("dict[str, Any]", result.structured_content)


async def answers(*asked: tuple[Client, str, dict[str, str]]) -> list[dict[str, Any]]:
    """Ask all at once, and give the answers in the order asked."""
    got: dict[int, dict[str, Any]] = {}

    async def ask(at: int) -> None:
        client, tool, arguments = asked[at]
        got[at] = await answer(client, tool, **arguments)

    async with anyio.create_task_group() as group:
        for at in range(len(asked)):
            group.start_soon(ask, at)
    return [got[at] for at in range(len(asked))]


async def refusal(client: Client, tool: str, **arguments: str) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return str(getattr(result.content[0], "text", ""))


@pytest.mark.parametrize(
    ("name", "reads", "writes"),
    [
        ("orders", {"get_order", "get_customer"}, {"add_note"}),
        ("payments", {"get_payment"}, {"create_refund"}),
        ("shipments", {"get_shipment"}, set[str]()),
    ],
)
async def test_each_server_says_which_of_its_tools_only_read(name: str, reads: set[str], writes: set[str]) -> None:
    async with running(name) as (client,):
        tools = (await client.list_tools()).tools

    hints = {tool.name: tool.annotations.read_only_hint for tool in tools if tool.annotations}
    assert hints == dict.fromkeys(reads, True) | dict.fromkeys(writes, False)


async def test_the_story_hangs_together_across_the_three_servers() -> None:
    async with running("orders", "payments", "shipments") as (ordering, paying, shipping):
        order, customer, payment, shipment = await answers(
            (ordering, "get_order", {"order_id": "A-17"}),
            (ordering, "get_customer", {"customer_id": "C-204"}),
            (paying, "get_payment", {"payment_id": "P-9001"}),
            (shipping, "get_shipment", {"order_id": "A-17"}),
        )

    assert len(order["items"]) == 2
    assert (order["customer_id"], order["payment_id"]) == (customer["id"], payment["id"])
    assert (payment["order_id"], payment["amount"]) == (order["id"], order["total"])
    assert (shipment["order_id"], shipment["status"]) == (order["id"], "stuck")


async def test_a_refund_and_a_note_are_kept_with_the_moments_at_which_they_were_made() -> None:
    async with running("orders", "payments") as (ordering, paying):
        refund = await answer(paying, "create_refund", payment_id="P-9001", reason="lost")
        note = await answer(ordering, "add_note", order_id="A-17", text="refunded")
        payment, order = await answers(
            (paying, "get_payment", {"payment_id": "P-9001"}), (ordering, "get_order", {"order_id": "A-17"})
        )

    assert (payment["status"], payment["refunds"]) == ("refunded", [refund])
    assert order["notes"] == [note]
    assert refund["received_at"] < refund["recorded_at"] <= note["received_at"] < note["recorded_at"]


async def test_a_payment_is_refunded_only_once() -> None:
    async with running("payments") as (client,):
        refund = await answer(client, "create_refund", payment_id="P-9001", reason="lost")

        again = await refusal(client, "create_refund", payment_id="P-9001", reason="lost")

    assert refund["id"] in again


async def test_calls_to_one_server_run_at_the_same_time() -> None:
    async with running("orders") as (client,):
        began = perf_counter()
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(client.call_tool, "add_note", {"order_id": "A-17", "text": "x"})
        took_s = perf_counter() - began

    assert 0.7 <= took_s < 3 * 0.7


async def test_what_is_not_there_is_an_error_that_names_what_is() -> None:
    async with running("orders") as (client,):
        assert await refusal(client, "get_order", order_id="Z-1") == "no order Z-1; there is A-17"
        assert "get_order, get_customer, add_note" in await refusal(client, "get_parcel")
        assert await refusal(client, "add_note", order_id="A-17") == "add_note needs text"


def test_the_triage_takes_nine_seconds_and_only_the_shipment_is_past_its_deadline() -> None:
    takes_s = {tool.name: tool.takes_s for module in (orders, payments, shipments) for tool in module.tools()}
    lookups = [takes_s[name] for name in ("get_order", "get_customer", "get_payment", "get_shipment")]

    assert 9.0 <= sum(lookups) <= 9.4
    assert [takes > 2.5 for takes in lookups] == [False, False, False, True]


@pytest.mark.parametrize("arguments", [(), ("stock",), ("orders", "payments")])
def test_a_server_that_does_not_exist_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, *MODULE, *arguments], capture_output=True, text=True, timeout=LONGEST_WAIT_S, check=False
    )

    assert done.returncode == 2
    assert done.stderr.startswith("say which server to run: orders, payments, shipments;")
