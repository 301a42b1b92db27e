"""What goes through headgate beside calls: each era of client in front of each era of server."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import mcp
import pytest
from mcp import types
from mcp.client.session import ClientRequestContext
from mcp.shared.exceptions import MCPError
from tests.server.gates import client_of, said
from tests.server.passing.desk import Desk

from headgate.server.opening import gate_over
from headgate.server.settings import Settings
from headgate.server.settings.settings import HeadgateSettings
from headgate.tools.rules import ToolRules, UpstreamRules

pytestmark = [
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),  # the older era's own methods
    pytest.mark.parametrize("mode", ["legacy", "stdio", "wire", "newer stdio"]),
    pytest.mark.parametrize("modern", [False, True], ids=["older", "newer"]),
]
LIMIT_S = 20
NEWER = ("wire", "newer stdio")
"""The modes in which the client speaks the newer era."""


async def named(context: ClientRequestContext, params: object) -> types.ElicitResult:
    del context, params
    await asyncio.sleep(0.3)
    return types.ElicitResult(action="accept", content={"name": "Ada"})


async def until(seen: Callable[[], bool]) -> None:
    """Wait for what others note down."""
    async with asyncio.timeout(5):
        while not seen():  # noqa: ASYNC110 - a list has no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def in_front_of(
    *desks: Desk, mode: str, rules: UpstreamRules | None = None, **options: Any
) -> AsyncGenerator[mcp.Client]:
    settings = Settings(HeadgateSettings(), {})
    openers = {desk.name: (rules or UpstreamRules(), desk.opener()) for desk in desks}
    async with asyncio.timeout(LIMIT_S), gate_over(settings, openers) as gate:
        await gate.settled(5)
        async with client_of(gate, mode, **options) as client:
            yield client


async def test_a_server_asks_the_client_whose_call_is_under_way_and_the_clock_stands_still(
    mode: str,
    modern: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    rules = UpstreamRules(every_tool=ToolRules(timeout_s=0.2))
    async with in_front_of(Desk("desk", modern), mode=mode, rules=rules, elicitation_callback=named) as client:
        assert said(await client.call_tool("desk__ask", {})) == "Ada s1"


async def test_a_client_that_cannot_be_asked_is_not(mode: str, modern: bool) -> None:  # noqa: FBT001
    async with in_front_of(Desk("desk", modern), mode=mode) as client:
        if modern and mode in NEWER:
            with pytest.raises((MCPError, RuntimeError)):
                await client.call_tool("desk__ask", {})
            return
        answer = await client.call_tool("desk__ask", {})
        assert answer.is_error


async def test_in_a_batch_an_older_client_is_asked_and_a_newer_one_told_why_not(mode: str, modern: bool) -> None:  # noqa: FBT001
    async with in_front_of(Desk("desk", modern), mode=mode, elicitation_callback=named) as client:
        reply = (await client.call_tool("batch_call", {"calls": [{"tool": "desk__ask"}]})).structured_content
        assert reply is not None
        (result,) = reply["results"]
    if mode not in NEWER:
        assert result["data"] == "Ada s1"
    else:
        assert result["status"] == "error"
        assert "input" in result["error"] or "does not support elicitation" in result["error"]


async def test_progress_and_log_messages_reach_the_client_before_the_answer(mode: str, modern: bool) -> None:  # noqa: FBT001
    told: list[tuple[float, float | None, str | None]] = []
    logged: list[str] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async def on_log(params: types.LoggingMessageNotificationParams) -> None:
        logged.append(f"{params.data} from {params.logger}")

    options: dict[str, Any] = {"logging_callback": on_log}
    if mode in NEWER:
        options["log_level"] = "warning"
    async with in_front_of(Desk("desk", modern), mode=mode, **options) as client:
        if mode not in NEWER:
            await client.set_logging_level("warning")  # pyright: ignore[reportDeprecated]
        await client.call_tool("desk__tell", {}, progress_callback=on_progress)
        await until(lambda: bool(told and logged))

    assert told == [(1, 2, "half")]
    assert logged == ["a warning from desk"]


async def test_a_call_that_its_client_cancels_is_cancelled_at_the_server(mode: str, modern: bool) -> None:  # noqa: FBT001
    desk = Desk("desk", modern)
    async with in_front_of(desk, mode=mode) as client:
        call = asyncio.get_running_loop().create_task(client.call_tool("desk__wait", {}))
        await until(lambda: bool(desk.heard))
        call.cancel()
        async with asyncio.timeout(5):
            await desk.cancelled.wait()


async def test_an_error_of_the_protocol_stays_one_with_its_code_and_data(mode: str, modern: bool) -> None:  # noqa: FBT001
    async with in_front_of(Desk("desk", modern), mode=mode) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("desk__refuse", {})
    assert (caught.value.error.code, caught.value.error.data) == (-32042, {"elicitations": []})


async def test_what_several_servers_offer_stands_in_one_list_and_is_found_again(mode: str, modern: bool) -> None:  # noqa: FBT001
    one, two = Desk("one", modern), Desk("two", not modern)
    async with in_front_of(one, two, mode=mode) as client:
        assert [prompt.name for prompt in (await client.list_prompts()).prompts] == ["one__greet", "two__greet"]
        resources = [str(resource.uri) for resource in (await client.list_resources()).resources]
        assert resources == ["one://one", "common://one", "two://one"]
        templates = [found.uri_template for found in (await client.list_resource_templates()).resource_templates]
        assert templates == ["one://item/{id}", "two://item/{id}"]

        prompt = await client.get_prompt("two__greet")
        assert isinstance(prompt.messages[0].content, types.TextContent)
        assert prompt.messages[0].content.text == "greet of two"
        for uri, owner in (("two://one", "two"), ("two://item/7", "two"), ("common://one", "one")):
            content = (await client.read_resource(uri)).contents[0]
            assert isinstance(content, types.TextResourceContents)
            assert content.text == f"{uri} of {owner}"
        asked = {"name": "x", "value": ""}
        refs = (
            types.PromptReference(type="ref/prompt", name="two__greet"),
            types.ResourceTemplateReference(type="ref/resource", uri="two://item/{id}"),
        )
        completed = [(await client.complete(ref, asked)).completion.values for ref in refs]
        assert completed == [["greet of two"], ["two://item/{id} of two"]]
        with pytest.raises(MCPError):
            await client.get_prompt("greet")


async def test_a_resource_that_a_batch_names_is_read_from_the_server_that_named_it(mode: str, modern: bool) -> None:  # noqa: FBT001
    one, two = Desk("one", modern), Desk("two", modern)
    async with in_front_of(one, two, mode=mode) as client:
        reply = await client.call_tool("batch_call", {"calls": [{"tool": "two__link"}]})
        link = reply.content[-1]
        assert isinstance(link, types.ResourceLink)
        content = (await client.read_resource(str(link.uri))).contents[0]
        assert isinstance(content, types.TextResourceContents)
        assert content.text == "hidden://two of two"
        assert ("resources/read", "hidden://two") not in one.heard
        with pytest.raises(MCPError) as caught:
            await client.read_resource("nobody://has")
    assert caught.value.error.code in (-32002, -32602)


async def test_updates_of_a_resource_reach_whoever_subscribed(mode: str, modern: bool) -> None:  # noqa: FBT001
    updated: list[str] = []

    async def on_message(message: object) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            updated.append(str(message.params.uri))

    async with in_front_of(Desk("desk", modern), mode=mode, message_handler=on_message) as client:
        if mode not in NEWER:
            await client.subscribe_resource("desk://one")  # pyright: ignore[reportDeprecated]
            await client.call_tool("desk__touch", {})
            await until(lambda: bool(updated))
            await client.unsubscribe_resource("desk://one")  # pyright: ignore[reportDeprecated]
        else:
            async with client.listen(resource_subscriptions=["desk://one"]) as updates:
                await client.call_tool("desk__touch", {})
                async with asyncio.timeout(5):
                    updated.append(getattr(await updates.__anext__(), "uri", ""))
    assert updated[:1] == ["desk://one"]
