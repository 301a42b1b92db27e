"""find_tools and get_result, and what is said of arguments that they do not take."""

import json
from typing import Any

import pytest
from tests.server.gates import Shop, client_of, gate_with, look, never_up, said, text
from tests.virtual_time import in_virtual_time

pytestmark = in_virtual_time


async def asked(tool: str, *, shop: Shop | None = None, **arguments: Any) -> Any:
    async with gate_with(shop=shop or Shop()) as gate, client_of(gate, "auto") as client:
        return await client.call_tool(tool, arguments)


async def test_tools_are_found_by_words_with_class_and_schema() -> None:
    result = await asked("find_tools", query="look")

    (found,) = [tool for tool in result.structured_content["tools"] if tool["name"] == "shop__look"]
    assert (found["class"], found["why"]) == ("read", "annotated as read-only")
    assert found["input_schema"] == {"type": "object"}
    assert result.structured_content["of"] == 2
    assert json.loads(said(result)) == result.structured_content


async def test_without_words_every_tool_is_found() -> None:
    assert len((await asked("find_tools")).structured_content["tools"]) == 2


async def test_where_no_tool_fits_with_its_schema_the_names_are_told() -> None:
    huge = {"name": "huge", "inputSchema": {"type": "object", "description": "x" * 10_000}}
    async with gate_with(shop=Shop(definitions=[huge]), reply_limit=2_000) as gate, client_of(gate, "auto") as client:
        result = await client.call_tool("find_tools", {"query": "huge"})

    assert result.structured_content is not None
    assert result.structured_content["tools"] == [{"name": "shop__huge", "class": "write"}]


async def test_an_upstream_that_is_not_up_is_named_with_the_tools_found() -> None:
    async with gate_with(shop=Shop(), others={"stuck": never_up}) as gate, client_of(gate, "auto") as client:
        result = await client.call_tool("find_tools", {"query": "look"})

    assert result.structured_content is not None
    assert [down["upstream"] for down in result.structured_content["unavailable"]] == ["stuck"]


async def test_a_result_cut_short_can_be_fetched_whole_in_pages() -> None:
    shop = Shop(results={"long": text("0123456789" * 2_000)})
    async with gate_with(shop=shop, reply_limit=5_000) as gate, client_of(gate, "auto") as client:
        reply = await client.call_tool("batch_call", {"calls": [look("a"), {"id": "long", "tool": "long"}]})
        assert reply.structured_content is not None
        batch = reply.structured_content["batch_id"]
        got, offset = "", 0
        while offset is not None:
            page = (
                await client.call_tool("get_result", {"batch_id": batch, "id": "long", "offset": offset})
            ).structured_content
            assert page is not None
            got += page["data"]
            offset = page.get("next_offset")

    assert reply.structured_content["results"][1]["truncated"]["of"] == 20_002
    assert got == "0123456789" * 2_000


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("get_result", {"batch_id": "b_nope"}, 'there is no batch "b_nope"'),
        ("get_result", {}, "batch_id: field required"),
        ("get_result", {"batch_id": "b", "offset": -1}, "offset: input should be greater than or equal to 0"),
        ("find_tools", {"limit": 0}, "limit: input should be greater than or equal to 1"),
        ("find_tools", {"words": "x"}, "words: extra inputs are not permitted"),
    ],
)
async def test_arguments_that_do_not_fit_are_explained(tool: str, arguments: dict[str, Any], words: str) -> None:
    result = await asked(tool, **arguments)

    assert result.is_error
    assert words in said(result)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"id": "nope"}, 'no call "nope" in batch'), ({"id": "a", "path": "$["}, "$[")],
)
async def test_a_wrong_call_or_path_of_a_batch_is_explained(arguments: dict[str, str], words: str) -> None:
    async with gate_with(shop=Shop()) as gate, client_of(gate, "auto") as client:
        batch = (await gate.batch([look("a")]))["batch_id"]
        result = await client.call_tool("get_result", {"batch_id": batch, **arguments})

    assert result.is_error
    assert words in said(result)
