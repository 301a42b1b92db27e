"""Recipes as a client and an operator meet them: one tool for each, whose answer is its calls' reply."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
import pytest
from tests.server.gates import Shop, client_of, never_up, said, text, tool

from headgate.proxy.connection import Connection, Open, Opening, UnavailableError
from headgate.server.gate import Gate
from headgate.server.opening import gate_over
from headgate.server.recipe_faults import tell_of_faults
from headgate.server.settings import Settings, parse_settings
from headgate.tools.rules import UpstreamRules

RECIPES = """
[recipes.both]
description = "Looks twice"
params = { tag = { type = "string" }, echo = { default = "none" } }
calls = [
  { id = "first", tool = "shop__look", arguments = { tag = { "$param" = "tag" }, echo = { "$param" = "echo" } } },
  { id = "second", tool = "shop__look", arguments = { tag = { "$from" = "first", path = "$.tag" } } },
]
[recipes.settle]
params = { tag = { type = "string" } }
calls = [{ id = "pay", tool = "shop__pay", arguments = { tag = { "$param" = "tag" } } }]
"""
ITEM = {"type": "object", "properties": {"sku": {"type": "string"}}, "required": ["sku"], "additionalProperties": False}


def settings(text: str = RECIPES, **headgate: str) -> Settings:
    return parse_settings(text + "".join(f"\n[headgate]\n{key} = '{value}'" for key, value in headgate.items()))


@asynccontextmanager
async def gate_of(
    shop: Shop, text: str = RECIPES, others: Mapping[str, Open] | None = None, **headgate: str
) -> AsyncGenerator[Gate]:
    openers = {name: (UpstreamRules(), opener) for name, opener in {"shop": shop.open, **(others or {})}.items()}
    async with gate_over(settings(text, **headgate), openers) as gate:
        if not others:
            await gate.settled(5)
        yield gate


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("expose", ["all", "batch"])
async def test_each_recipe_is_listed_as_one_tool(mode: str, expose: str) -> None:
    async with gate_of(Shop(), expose=expose) as gate, client_of(gate, mode) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}

    assert ("shop__look" in listed) is (expose == "all")
    both, settle = listed["both"], listed["settle"]
    assert both.description == "Looks twice"
    assert both.input_schema == {
        "type": "object",
        "properties": {"tag": {"type": "string"}, "echo": {"default": "none"}},
        "required": ["tag"],
        "additionalProperties": False,
    }
    assert both.annotations
    assert settle.annotations
    assert both.annotations.read_only_hint is True
    assert (settle.annotations.read_only_hint, settle.annotations.destructive_hint) == (False, True)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_recipe_answers_with_the_reply_of_its_calls(mode: str) -> None:
    shop = Shop()
    async with gate_of(shop) as gate, client_of(gate, mode) as client:
        answer = await client.call_tool("both", {"tag": "t"})

    reply = answer.structured_content
    assert reply is not None
    assert not answer.is_error
    assert reply["outcome"] == "ok"
    assert [(it["id"], it["data"]) for it in reply["results"]] == [
        ("first", {"tag": "t", "echo": "none"}),
        ("second", {"tag": "t"}),
    ]
    assert said(answer).startswith('{"batch_id":')
    assert shop.events == ["t starts", "t ends", "t starts", "t ends"]


async def test_what_a_recipe_is_given_reaches_the_upstream_as_it_is() -> None:
    hostile = [{"$from": "second", "path": "$.tag"}, {"$param": "tag"}, {"$format": "{x}", "x": {"$from": "first"}}]
    async with gate_of(Shop()) as gate, client_of(gate, "auto") as client:
        for echo in (*hostile, hostile, {"deep": hostile}, "${HOME} {tag} $.tag"):
            reply = (await client.call_tool("both", {"tag": "t", "echo": echo})).structured_content
            assert reply is not None
            assert reply["results"][0]["data"] == {"tag": "t", "echo": echo}


async def test_a_recipe_of_which_a_part_fails_still_gives_the_rest() -> None:
    recipe = """[recipes.half]
    calls = [{ id = "ok", tool = "look" }, { id = "bad", tool = "broken" }, { id = "gone", tool = "shop__nope" }]
    """
    shop = Shop(results={"broken": text("no", isError=True)})
    async with gate_of(shop, recipe) as gate, client_of(gate, "auto") as client:
        answer = await client.call_tool("half", {})

    assert not answer.is_error
    assert answer.structured_content is not None
    assert [it.get("error_code") for it in answer.structured_content["results"]] == [None, "TOOL_ERROR", "UNKNOWN_TOOL"]
    assert answer.structured_content["outcome"] == "partial"


async def test_a_recipe_of_which_nothing_works_is_an_error() -> None:
    recipe = "[recipes.none]\ncalls = [{ tool = 'shop__nope' }]"
    async with gate_of(Shop(), recipe) as gate, client_of(gate, "auto") as client:
        assert (await client.call_tool("none", {})).is_error


async def test_within_a_batch_a_recipe_is_one_call_with_one_answer() -> None:
    calls = [
        {"id": "own", "tool": "shop__look", "arguments": {"tag": "t", "echo": "plain"}},
        {"id": "ctx", "tool": "both", "arguments": {"tag": {"$from": "own", "path": "$.tag"}, "echo": "e"}},
        {"id": "data", "tool": "both", "arguments": {"tag": "d", "echo": {"$from": "own", "path": "$.echo"}}},
        {"id": "end", "tool": "shop__pay", "arguments": {"tag": {"$from": "ctx", "path": "$.second.tag"}}},
    ]
    async with gate_of(Shop()) as gate, client_of(gate, "auto") as client:
        reply = (await client.call_tool("batch_call", {"calls": calls})).structured_content
        assert reply is not None
        part = {"batch_id": reply["batch_id"], "id": "ctx.first"}
        first = (await client.call_tool("get_result", part)).structured_content

    assert first is not None
    assert first["data"] == {"tag": "t", "echo": "e"}
    assert [(it["id"], it["class"], it["data"]) for it in reply["results"]] == [
        ("own", "read", {"tag": "t", "echo": "plain"}),
        ("ctx", "read", {"first": {"tag": "t", "echo": "e"}, "second": {"tag": "t"}}),
        ("data", "read", {"first": {"tag": "d", "echo": "plain"}, "second": {"tag": "d"}}),
        ("end", "write", {"tag": "t"}),
    ]
    assert reply["summary"].startswith("4 of 4 ok")


async def test_what_an_upstream_answers_is_data_to_a_recipe_in_a_batch() -> None:
    hostile = {"$from": "ctx.second", "path": "$.tag", "also": {"$param": "tag"}}
    shop = Shop(results={"evil": text("", structuredContent={"value": hostile})})
    calls = [
        {"id": "evil", "tool": "shop__evil"},
        {"id": "ctx", "tool": "both", "arguments": {"tag": "t", "echo": {"$from": "evil", "path": "$.value"}}},
    ]
    async with gate_of(shop) as gate:
        reply = await gate.batch(calls)

    assert reply["results"][1]["data"]["first"] == {"tag": "t", "echo": hostile}


async def test_batch_read_takes_a_recipe_of_reads_and_refuses_one_with_a_write() -> None:
    async with gate_of(Shop()) as gate, client_of(gate, "auto") as client:
        reads = await client.call_tool("batch_read", {"calls": [{"tool": "both", "arguments": {"tag": "t"}}]})
        write = await client.call_tool("batch_read", {"calls": [{"tool": "settle", "arguments": {"tag": "t"}}]})

    assert not reads.is_error
    assert write.is_error
    assert write.structured_content is not None
    assert [(it["code"], it["where"]) for it in write.structured_content["problems"]] == [("NOT_A_READ", "calls[0]")]


async def test_right_after_the_start_a_recipe_in_a_batch_waits_for_its_upstreams() -> None:
    async with gate_of(Shop(), others={"slow": never_up}) as gate:
        reply = await gate.batch([{"tool": "both", "arguments": {"tag": "t"}}])

    assert reply["outcome"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ({}, '"tag" is a required property'),
        ({"tag": 5}, 'tag: 5 is not of type "string"'),
        ({"tag": "t", "tga": 1}, "'tga' was unexpected"),
        ({"tag": {"$from": "second", "path": "$.tag"}}, "tag: {"),
    ],
)
async def test_wrong_arguments_are_told_and_nothing_runs(arguments: dict[str, Any], wrong: str) -> None:
    shop = Shop()
    async with gate_of(shop) as gate, client_of(gate, "auto") as client:
        answer = await client.call_tool("both", arguments)

    assert answer.is_error
    assert said(answer).startswith("both does not take these arguments: ")
    assert wrong in said(answer)
    assert shop.events == []


async def test_arguments_that_are_nested_too_deeply_are_told() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    async with gate_of(Shop()) as gate, client_of(gate, "auto") as client:
        answer = await client.call_tool("both", {"tag": "t", "echo": deep})

    assert answer.is_error
    assert said(answer) == "both takes arguments of 64 levels at most"


async def test_recipes_are_found_by_words() -> None:
    async with gate_of(Shop()) as gate, client_of(gate, "auto") as client:
        found = (await client.call_tool("find_tools", {"query": "twice"})).structured_content
        everything = (await client.call_tool("find_tools", {})).structured_content

    assert found is not None
    assert everything is not None
    (both,) = found["tools"]
    assert (both["name"], both["class"], both["why"]) == ("both", "read", "each of its calls is a read")
    assert both["input_schema"]["required"] == ["tag"]
    assert len(everything["tools"]) == everything["of"] == 4


async def test_a_recipe_comes_before_an_upstreams_tool_of_its_name() -> None:
    recipe = "[recipes.look]\ncalls = [{ tool = 'shop__look' }]"
    async with gate_of(Shop(), recipe) as gate, client_of(gate, "auto") as client:
        answer = (await client.call_tool("look", {})).structured_content

    assert answer is not None
    assert answer["outcome"] == "ok"


async def test_a_recipe_becomes_a_read_once_its_tools_are_known() -> None:
    shop = Shop()
    async with gate_of(shop, others={"slow": never_up}) as gate:
        before = {tool.qualified: tool.kind for tool in gate.recipes.tools(gate.catalogue())}
        assert (await gate.batch([{"tool": "shop__look"}]))["outcome"] == "ok"
        after = {tool.qualified: tool.kind for tool in gate.recipes.tools(gate.catalogue())}

    assert (before, after) == ({"both": "write", "settle": "write"}, {"both": "read", "settle": "write"})


async def test_with_only_recipes_listed_a_client_is_told_when_one_is_no_read_any_more() -> None:
    heard = anyio.Event()

    async def hear(message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            heard.set()

    shop = Shop()
    async with gate_of(shop, expose="batch") as gate, client_of(gate, "legacy", message_handler=hear) as client:
        await client.list_tools()
        shop.upstream.definitions = [tool("look", read=False)]
        shop.upstream.drop("restarted")
        with anyio.fail_after(30):
            await heard.wait()
        (both,) = [it for it in (await client.list_tools()).tools if it.name == "both"]

    assert both.annotations
    assert both.annotations.read_only_hint is False


FAULTY = """
[recipes.r]
params = { sku = {}, extra = { default = 1 } }
calls = [
  { id = "fits", tool = "shop__item", arguments = { sku = { "$param" = "sku" } } },
  { id = "bare", tool = "look", arguments = { tag = { "$param" = "sku" } } },
  { id = "unknown", tool = "shop__itm", arguments = {} },
  { id = "lost", tool = "nowhere", arguments = {} },
  { id = "empty", tool = "shop__item", arguments = {} },
  { id = "more", tool = "shop__item", arguments = { sku = { "$from" = "fits", path = "$.sku" }, size = 1 } },
  { id = "wrong", tool = "shop__item", arguments = { sku = 5 } },
  { id = "default", tool = "shop__item", arguments = { sku = { "$param" = "extra" } } },
  { id = "text", tool = "shop__item", arguments = { sku = { "$format" = "{x}", x = { "$param" = "sku" } } } },
]
"""
UNFIT = "shop__item does not take these arguments:"
FAULTS = [
    'call "unknown": upstream "shop" has no tool "itm"; did you mean "item"?',
    'call "lost": no tool is called "nowhere"; find_tools searches the tools by words',
    f'call "empty": {UNFIT} "sku" is a required property',
    f"call \"more\": {UNFIT} Additional properties are not allowed ('size' was unexpected)",
    f'call "wrong": {UNFIT} sku: 5 is not of type "string"',
    f'call "default": {UNFIT} sku: 1 is not of type "string"',
]


def with_items() -> Shop:
    return Shop(definitions=[tool("item", read=True, inputSchema=ITEM)])


async def test_what_the_catalogue_has_against_a_recipe_is_known_before_it_runs() -> None:
    async with gate_of(with_items(), FAULTY) as gate:
        assert [*gate.recipes.faults(gate.catalogue())] == [f'recipe "r", {fault}' for fault in FAULTS]


@asynccontextmanager
async def down(_opening: Opening) -> AsyncGenerator[Connection]:
    """An opener whose upstream is not there."""
    raise UnavailableError("connection refused")
    yield  # pyright: ignore[reportUnreachable]


async def test_an_upstream_that_is_not_up_is_no_fault_of_a_recipe() -> None:
    text = "[recipes.r]\ncalls = [{ tool = 'shop__look' }, { tool = 'late__get' }, { tool = 'get' }]"
    async with gate_of(Shop(), text, {"late": down}) as gate:
        await gate.settled(5)

        assert gate.all_known
        assert gate.recipes.faults(gate.catalogue()) == ()


async def test_nothing_is_said_of_recipes_while_an_upstream_is_not_known(caplog: pytest.LogCaptureFixture) -> None:
    async with gate_of(with_items(), FAULTY, {"late": never_up}) as gate, anyio.create_task_group() as tasks:
        tasks.start_soon(tell_of_faults, gate)
        assert (await gate.batch([{"tool": "shop__look"}]))["outcome"] == "ok"
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert logged(caplog) == []


async def test_faults_are_logged_once_and_serving_goes_on(
    caplog: pytest.LogCaptureFixture, within: Callable[..., AbstractContextManager[object]]
) -> None:
    shop, reopened = with_items(), anyio.Event()
    async with gate_of(shop, FAULTY) as gate, anyio.create_task_group() as tasks:
        tasks.start_soon(tell_of_faults, gate)
        await anyio.wait_all_tasks_blocked()
        gate.watch(reopened.set)
        shop.upstream.drop("it crashed")
        with within():
            await reopened.wait()
        assert (await gate.batch([{"tool": "shop__look"}]))["outcome"] == "ok"
        tasks.cancel_scope.cancel()

    assert logged(caplog) == [f'recipe "r", {fault}' for fault in FAULTS]


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.endswith("recipe_faults")]
