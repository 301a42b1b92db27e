"""A tool whose schema nobody should have to hold values against is out of use; the others of its server are not."""

from typing import Any

import pytest
from tests.server.gates import Shop, by_id, client_of, ended, gate_with, look, pay, said, tool

from headgate.proxy.connection import CallFailedError
from headgate.tools.catalogue import Tool
from headgate.tools.rules import ToolRules, UpstreamRules

OUTSIDE = {"type": "object", "properties": {"x": {"$ref": "http://127.0.0.1:9/x.json"}}}


def shop(*, read: bool = True, **more: Any) -> Shop:
    """A shop with a further tool whose schema points to the web."""
    found = Shop(results={"find": {"content": []}})
    hostile = tool("find", read=read, inputSchema=OUTSIDE, **more)
    found.upstream.definitions = [each for each in found.upstream.definitions if each["name"] != "find"] + [hostile]
    return found


FIND = {"id": "f", "tool": "shop__find", "arguments": {"x": 1}}


async def test_its_calls_fail_and_say_what_an_operator_can_do() -> None:
    async with gate_with(shop=shop()) as gate:
        reply = by_id(await gate.batch([FIND, look("a"), pay("b")]))
        with pytest.raises(CallFailedError, match="is out of use") as failed:
            await gate.call("shop__find", {})

    assert {name: result["status"] for name, result in reply.items()} == {"f": "error", "a": "ok", "b": "ok"}
    assert reply["f"]["error_code"] == failed.value.code == "DENIED"
    assert reply["f"]["error"] == str(failed.value)
    assert 'shop__find is out of use: its input schema refers to "http://127.0.0.1:9/x.json"' in reply["f"]["error"]
    assert "check_arguments = false" in reply["f"]["error"]


async def test_a_write_that_is_out_of_use_keeps_every_write_of_the_batch_from_starting() -> None:
    target = shop(read=False)
    async with gate_with(shop=target) as gate:
        reply = await gate.batch([pay("b"), FIND, look("a")])

    assert ended(reply) == {"b": "CHAIN_HALTED", "f": "DENIED", "a": "ok"}
    assert target.events == ["a starts", "a ends"]


async def test_clients_and_models_do_not_see_its_schema() -> None:
    async with gate_with(shop=shop()) as gate, client_of(gate, "auto") as client:
        listed = [each.name for each in (await client.list_tools()).tools]
        found = said(await client.call_tool("find_tools", {"query": "find"}))
        answer = await client.call_tool("shop__find", {"x": 1})

    assert "shop__look" in listed
    assert "shop__find" not in listed
    assert "127.0.0.1:9" not in found
    assert answer.is_error
    assert said(answer).startswith("DENIED: shop__find is out of use")


async def test_a_schema_of_answers_that_could_do_harm_is_not_passed_on() -> None:
    found = Shop(definitions=[tool("find", read=True, outputSchema=OUTSIDE)])
    async with gate_with(shop=found) as gate, client_of(gate, "auto") as client:
        listed = {each.name: each for each in (await client.list_tools()).tools}

    assert listed["shop__find"].output_schema is None


async def test_an_operator_can_put_it_to_use_without_a_look_at_its_schema() -> None:
    rules = UpstreamRules(tools={"find": ToolRules(check_arguments=False)})
    async with gate_with(rules=rules, shop=shop()) as gate:
        reply = await gate.batch([FIND])

    assert reply["outcome"] == "ok"


async def test_the_catalogue_says_why() -> None:
    async with gate_with(shop=shop()) as gate:
        found = gate.catalogue().find("find")

    assert isinstance(found, Tool)
    assert "refers to" in (found.denied or "")
    assert "refers to" in found.reason
