"""find_tools and get_result, and what is said of arguments that they do not take."""

import asyncio
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


async def test_an_image_that_was_not_there_in_time_is_fetched_with_its_result() -> None:
    image = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
    shop = Shop(results={"picture": {"content": [{"type": "text", "text": "a cat"}, image]}})
    async with gate_with(shop=shop, answer_within_s=1) as gate, client_of(gate, "auto") as client:
        late = {"id": "late", "tool": "picture", "depends_on": ["slow"]}
        batch = (await gate.batch([look("slow", 5), {"id": "soon", "tool": "picture"}, late]))["batch_id"]
        await asyncio.sleep(10)
        whole = await client.call_tool("get_result", {"batch_id": batch})
        alone = await client.call_tool("get_result", {"batch_id": batch, "id": "late"})
        rest = await client.call_tool("get_result", {"batch_id": batch, "id": "late", "offset": 2})

    assert whole.structured_content is not None
    assert [result.get("content") for result in whole.structured_content["results"]] == [None, [1], [2]]
    assert [block.type for block in whole.content] == ["text", "image", "image"]
    assert alone.structured_content is not None
    assert (alone.structured_content["data"], alone.structured_content["content"]) == ("a cat", [1])
    assert [block.type for block in alone.content] == ["text", "image"]
    assert [block.type for block in rest.content] == ["text"]


async def test_an_option_that_is_null_is_one_that_was_left_out() -> None:
    async with gate_with(shop=Shop()) as gate, client_of(gate, "auto") as client:
        options = {"on_error": None, "timeout_s": None, "dry_run": None, "groups": None}
        reply = await client.call_tool("batch_call", {"calls": [look("a")], **options})
        assert reply.structured_content is not None
        batch = reply.structured_content["batch_id"]
        asked_for = {"batch_id": batch, "id": "a", "path": None, "offset": None, "limit": None}
        page = await client.call_tool("get_result", asked_for)
        found = await client.call_tool("find_tools", {"query": None, "limit": None})

    assert reply.structured_content["outcome"] == "ok"
    assert page.structured_content is not None
    assert page.structured_content["data"] == {"tag": "a"}
    assert not found.is_error


async def test_where_there_is_no_room_for_tools_the_list_of_them_is_empty() -> None:
    async with gate_with(shop=Shop(), reply_limit=100) as gate, client_of(gate, "auto") as client:
        result = await client.call_tool("find_tools", {})

    assert result.structured_content == {"tools": [], "of": 2}


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
    [
        ({"id": "nope"}, 'no call "nope" in batch'),
        ({"id": ""}, 'no call "" in batch'),
        ({"id": f"each[{'9' * 5000}]"}, 'no call "each['),
        ({"id": "each[0"}, 'no call "each[0" in batch'),
        ({"id": "a", "path": "$["}, "$["),
    ],
)
async def test_a_wrong_call_or_path_of_a_batch_is_explained(arguments: dict[str, str], words: str) -> None:
    async with gate_with(shop=Shop()) as gate, client_of(gate, "auto") as client:
        batch = (await gate.batch([look("a"), look("each", for_each=[1])]))["batch_id"]
        result = await client.call_tool("get_result", {"batch_id": batch, **arguments})

    assert result.is_error
    assert words in said(result)
