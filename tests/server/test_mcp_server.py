"""headgate as an MCP server, asked through the SDK's own client in both eras of the protocol."""

import gc
import json
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import anyio
import mcp
import pytest
from mcp import types
from tests.server.gates import Shop, client_of, gate_with, look, never_up, pay, said, text, tool
from tests.virtual_time import in_virtual_time

from headgate.tools.catalogue import Tool
from headgate.tools.rules import ToolRules, UpstreamRules

pytestmark = [in_virtual_time, pytest.mark.parametrize("mode", ["auto", "legacy"])]

OWN = ["batch_call", "batch_read", "find_tools", "get_result"]
IMAGE = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
AUDIO = {"type": "audio", "data": "aGk=", "mimeType": "audio/wav"}
NOTE = {"type": "resource", "resource": {"uri": "note://1", "text": "a note", "mimeType": "text/plain"}}
LINK = {"type": "resource_link", "uri": "note://2", "name": "two"}


async def names(client: mcp.Client) -> list[str]:
    return [tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools]


async def on_the_wire(client: mcp.Client, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(name, dict(arguments))
    dumped = result.model_dump(by_alias=True, mode="json", exclude_none=True, exclude_unset=True)
    dumped.pop("_meta", None)
    dumped.pop("resultType", None)
    return dumped


async def test_the_four_tools_are_listed_and_beside_them_every_upstream_tool(mode: str) -> None:
    async with gate_with(shop=Shop()) as gate, client_of(gate, mode) as client:
        assert await names(client) == [*OWN, "shop__look", "shop__pay"]
        assert "batch_call" in (client.instructions or "")


async def test_exposing_the_batch_only_lists_nothing_else(mode: str) -> None:
    async with gate_with(shop=Shop(), expose="batch") as gate, client_of(gate, mode) as client:
        assert await names(client) == OWN


async def test_names_stay_within_48_characters_and_can_be_called(mode: str) -> None:
    long = "look_for_what_is_in_stock_in_every_warehouse_of_the_country"
    async with gate_with(shop=Shop(results={long: text("found")})) as gate, client_of(gate, mode) as client:
        (offered,) = [name for name in await names(client) if name.startswith("shop__look_for")]

        assert len(offered) <= 48
        assert said(await client.call_tool(offered, {})) == "found"


async def test_annotations_say_the_class_that_the_operator_gave(mode: str) -> None:
    rules = UpstreamRules(
        tools={"look": ToolRules(kind="write"), "pay": ToolRules(kind="read"), "odd": ToolRules(kind="read")}
    )
    odd = tool("odd", read=False, annotations={"destructiveHint": True, "title": "Odd"})
    async with gate_with(shop=Shop(definitions=[odd]), rules=rules) as gate, client_of(gate, mode) as client:
        listed = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}

    hints = {name: found and found.read_only_hint for name, found in listed.items()}
    assert (hints["shop__look"], hints["shop__pay"], hints["shop__odd"]) == (False, True, True)
    assert listed["shop__odd"] == types.ToolAnnotations(title="Odd", read_only_hint=True)


MALFORMED: list[dict[str, Any]] = [
    {"inputSchema": {"type": "string"}},
    {"description": 7},
    {"outputSchema": "text"},
    {"icons": 5},
    {"_meta": "no"},
    {"title": ["no"]},
]
REPAIRED: list[dict[str, Any]] = [{"annotations": "yes"}, {"inputSchema": None}, {"inputSchema": {"properties": {}}}]


async def test_what_an_upstream_declares_wrongly_is_left_out_and_the_rest_is_listed(mode: str) -> None:
    wrong = [tool(f"wrong{number}", read=True, **more) for number, more in enumerate(MALFORMED)]
    right = [tool(f"right{number}", read=True, **more) for number, more in enumerate(REPAIRED)]
    async with gate_with(shop=Shop(definitions=[*wrong, *right])) as gate, client_of(gate, mode) as client:
        listed = await names(client)

    assert listed == [*OWN, "shop__look", "shop__pay", "shop__right0", "shop__right1", "shop__right2"]


async def test_the_list_is_answered_at_once_while_an_upstream_hangs(mode: str) -> None:
    async with gate_with(shop=Shop(), others={"stuck": never_up}) as gate, client_of(gate, mode) as client:
        with anyio.fail_after(0.5):
            assert (await names(client))[:4] == OWN


async def test_a_tool_that_comes_or_goes_is_told_of(mode: str) -> None:
    shop = Shop()
    heard = anyio.Event()

    async def hear(message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            heard.set()

    async with gate_with(shop=shop) as gate, client_of(gate, mode, message_handler=hear) as client:
        before = await names(client)
        shop.upstream.definitions = [tool("look", read=True)]
        with anyio.fail_after(60):
            if mode == "auto":
                async with client.listen(tools_list_changed=True) as changes:
                    shop.upstream.drop("restarted")
                    async for _ in changes:
                        break
            else:
                shop.upstream.drop("restarted")
                await heard.wait()
            after = await names(client)

    assert (before, after) == ([*OWN, "shop__look", "shop__pay"], [*OWN, "shop__look"])


async def test_of_tools_that_are_gone_hardly_any_are_kept(mode: str) -> None:
    shop = Shop()
    async with gate_with(shop=shop) as gate, client_of(gate, mode) as client:
        for number in range(12):
            shop.upstream.definitions = [tool(f"t{number}x{other}", read=True) for other in range(100)]
            shop.upstream.drop("restarted")
            await anyio.sleep(40)
            assert f"shop__t{number}x99" in await names(client)

        gc.collect()
        kept = [one for one in gc.get_objects() if isinstance(one, Tool) and one.name.startswith("t")]
        assert len(kept) < 500


async def test_of_lists_that_are_what_they_were_nobody_is_told(mode: str) -> None:
    shop, heard = Shop(), list[object]()

    async def hear(message: object) -> None:
        heard.append(message)

    async with gate_with(shop=shop) as gate, client_of(gate, mode, message_handler=hear) as client:
        listening = client.listen(tools_list_changed=True) if mode == "auto" else nullcontext()
        async with listening:
            for _ in range(3):
                shop.upstream.definitions = [*map(dict, shop.upstream.definitions)]
                shop.upstream.drop("restarted")
                await anyio.sleep(40)
                assert "shop__pay" in await names(client)
            assert heard == []

            shop.upstream.definitions = [tool("look", read=True)]
            shop.upstream.drop("restarted")
            await anyio.sleep(40)
            assert [type(message) for message in heard] == [types.ToolListChangedNotification]


PASSED: dict[str, dict[str, Any]] = {
    "structured": text('{"n": 1}', structuredContent={"n": 1}),
    "plain": text("as it is"),
    "pictures": {"content": [{"type": "text", "text": "look"}, IMAGE, AUDIO, NOTE, LINK]},
    "failed": text("no such order", isError=True),
    "annotated": {"content": [{"type": "text", "text": "hi", "annotations": {"priority": 0.5}}]},
    "empty": {"content": []},
}


@pytest.mark.parametrize("name", PASSED)
async def test_a_call_passed_through_gives_the_upstream_s_own_result(mode: str, name: str) -> None:
    async with gate_with(shop=Shop(results=PASSED)) as gate, client_of(gate, mode) as client:
        found = await on_the_wire(client, f"shop__{name}", {})

    assert {"isError": False} | found == {"isError": False} | PASSED[name]


BROKEN: dict[str, Any] = {
    "no_content": {},
    "odd_content": {"content": "text"},
    "odd_blocks": {"content": [{"type": "text"}, {"type": "hologram"}, "x", {"type": "text", "text": "seen"}]},
    "odd_image": {"content": [{"type": "image"}, {"type": "text", "text": "seen"}]},
    "odd_type": text("seen", resultType=7),
    "odd_flags": text("seen", isError=0, _meta=[]),
    "listed": text("[1]", structuredContent=[1]),
    "asks": {"resultType": "input_required", "inputRequests": {}},
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_result_that_mcp_does_not_know_never_becomes_an_error_of_the_protocol(mode: str, name: str) -> None:
    async with gate_with(shop=Shop(results=BROKEN)) as gate, client_of(gate, mode) as client:
        passed = await on_the_wire(client, f"shop__{name}", {})
        batched = await on_the_wire(client, "batch_call", {"calls": [look("a"), {"id": "b", "tool": f"shop__{name}"}]})

    assert batched["structuredContent"]["results"][0]["status"] == "ok"
    if name.startswith("odd_") and name != "odd_content":
        assert passed["content"][-1] == {"type": "text", "text": "seen"}
    if name == "listed":
        assert passed["content"] == [{"type": "text", "text": "[1]"}]
    if name in ("odd_content", "asks"):
        assert passed["isError"]
        assert "UPSTREAM_ERROR" in passed["content"][0]["text"]


async def test_blocks_follow_the_text_of_a_batch_and_envelopes_point_at_them(mode: str) -> None:
    results = {"one": {"content": [IMAGE]}, "two": {"content": [{"type": "text", "text": "t"}, AUDIO, NOTE, LINK]}}
    calls = [look("first"), {"id": "one", "tool": "one"}, {"id": "two", "tool": "two"}]
    async with gate_with(shop=Shop(results=results)) as gate, client_of(gate, mode) as client:
        found = await on_the_wire(client, "batch_call", {"calls": calls})

    assert json.loads(found["content"][0]["text"]) == found["structuredContent"]
    pointed = {
        result["id"]: [found["content"][index] for index in result.get("content", [])]
        for result in found["structuredContent"]["results"]
    }
    assert pointed == {"first": [], "one": [IMAGE], "two": [AUDIO, NOTE, LINK]}


async def test_a_batch_of_which_nothing_worked_is_an_error(mode: str) -> None:
    async with gate_with(shop=Shop()) as gate, client_of(gate, mode) as client:
        failed = await client.call_tool("batch_call", {"calls": [{"tool": "nope"}]})
        refused = await client.call_tool("batch_read", {"calls": [pay("a")]})
        empty = await client.call_tool("batch_call", {})

    assert failed.is_error
    assert refused.is_error
    assert "shop__pay" in said(refused)
    assert empty.is_error
    assert '"calls' in said(empty)


async def test_a_tool_of_no_name_is_an_error_with_a_suggestion(mode: str) -> None:
    async with gate_with(shop=Shop()) as gate, client_of(gate, mode) as client:
        result = await client.call_tool("batch_cal", {})
        other = await client.call_tool("shop__lok", {})

    assert result.is_error
    assert said(result).startswith("UNKNOWN_TOOL")
    assert 'did you mean "look"' in said(other)
