"""server-everything bare and behind headgate, asked the same: every tool, prompt, resource and template."""

import re
from base64 import b64decode
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import mcp
import pytest
from mcp import types
from mcp.client.session import ClientRequestContext
from mcp.shared.exceptions import MCPError
from tests.config import write_config
from tests.real.gates import START_LIMIT_S, stdio_headgate
from tests.real.servers import everything

pytestmark = pytest.mark.real

LIMIT_S = 90
ARGUMENTS: dict[str, dict[str, Any]] = {
    "echo": {"message": "hello"},
    "get-sum": {"a": 2, "b": 3},
    "get-annotated-message": {"messageType": "error", "includeImage": True},
    "get-resource-links": {"count": 3},
    "get-resource-reference": {"resourceType": "Text", "resourceId": 1},
    "get-structured-content": {"location": "New York"},
    "trigger-long-running-operation": {"duration": 1, "steps": 2},
    "trigger-sampling-request": {"prompt": "Say something", "maxTokens": 10},
    "gzip-file-as-resource": {"name": "a.gz", "data": "data:text/plain;base64,aGVsbG8=", "outputType": "resourceLink"},
    "simulate-research-query": {"topic": "gates"},
}
NOT_ALIKE = {"get-env": "it shows the environment of its process", "toggle-simulated-logging": "it goes on for ever"}
_MOMENTS = re.compile(r"\d+:\d\d:\d\d( [AP]M)?|\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{8}-[0-9a-f-]{27}|task_\w+|\d{13}")

Ask = Callable[[], Awaitable[Any]]


async def sampled(context: ClientRequestContext, params: object) -> types.CreateMessageResult:
    del context, params
    content = types.TextContent(type="text", text="something")
    return types.CreateMessageResult(role="assistant", model="scripted", content=content)


async def elicited(context: ClientRequestContext, params: object) -> types.ElicitResult:
    del context, params
    return types.ElicitResult(action="accept", content={"name": "Ada", "check": True})


async def rooted(context: ClientRequestContext) -> types.ListRootsResult:
    del context
    return types.ListRootsResult(roots=[types.Root(uri="file:///work", name="work")])  # pyright: ignore[reportArgumentType]


@asynccontextmanager
async def client_of(server: mcp.StdioServerParameters) -> AsyncGenerator[mcp.Client]:
    with anyio.fail_after(LIMIT_S):
        async with mcp.Client(
            server,
            mode="legacy",
            sampling_callback=sampled,
            elicitation_callback=elicited,
            list_roots_callback=rooted,
        ) as client:
            yield client


def plain(value: Any) -> Any:
    """What a result says, without the moment that it was made at."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        blob = {"blob": b64decode(fields["blob"]).decode(errors="replace")} if "blob" in fields else {}
        return {key: plain(it) for key, it in (fields | blob).items()}
    if isinstance(value, list):
        return [plain(it) for it in cast("list[Any]", value)]
    return _MOMENTS.sub("…", value) if isinstance(value, str) else value


def definition_of(tool: types.Tool) -> dict[str, Any]:
    """All but the name, and but what headgate leaves out since it says something of writes only."""
    found = tool.model_dump(mode="json", by_alias=True, exclude={"name"})
    if found["annotations"]["readOnlyHint"]:
        found["annotations"]["destructiveHint"] = None
    return found


async def answer(ask: Ask) -> Any:
    try:
        result = await ask()
    except MCPError as error:
        return {"code": error.error.code, "message": error.error.message}
    return plain(result.model_dump(mode="json", by_alias=True, exclude_none=True))


async def all_answers(client: mcp.Client, prefix: str) -> dict[str, Any]:
    """Every answer there is, by what was asked."""
    found: dict[str, Any] = {}
    tools = {tool.name.removeprefix(prefix): tool for tool in (await client.list_tools()).tools}
    for name, tool in tools.items():
        if name not in OWN:
            found[f"definition of {name}"] = definition_of(tool)
            if name not in NOT_ALIKE:
                found[f"tool {name}"] = await answer(
                    lambda tool=tool, name=name: client.call_tool(tool.name, ARGUMENTS.get(name, {}))
                )
    for prompt in (await client.list_prompts()).prompts:
        name = prompt.name.removeprefix(prefix)
        given = {argument.name: "1" if "Id" in argument.name else "Text" for argument in prompt.arguments or []}
        found[f"prompt {name}"] = prompt.model_dump(mode="json", by_alias=True, exclude={"name"})
        found[f"answer of {name}"] = await answer(
            lambda prompt=prompt, given=given: client.get_prompt(prompt.name, given)
        )
        for argument in given:
            ref = types.PromptReference(type="ref/prompt", name=prompt.name)
            asked = {"name": argument, "value": ""}
            found[f"{argument} of {name}"] = await answer(lambda ref=ref, asked=asked: client.complete(ref, asked))
    for resource in (await client.list_resources()).resources:
        found[f"resource {resource.uri}"] = plain(resource.model_dump(mode="json", by_alias=True))
        found[f"text of {resource.uri}"] = await answer(lambda resource=resource: client.read_resource(resource.uri))
    for template in (await client.list_resource_templates()).resource_templates:
        uri = re.sub(r"\{\w+\}", "1", template.uri_template)
        found[f"template {template.uri_template}"] = template.model_dump(mode="json", by_alias=True)
        found[f"text of {uri}"] = await answer(lambda uri=uri: client.read_resource(uri))
        ref = types.ResourceTemplateReference(type="ref/resource", uri=template.uri_template)
        asked = {"name": "resourceId", "value": "1"}
        found[f"completion of {uri}"] = await answer(lambda ref=ref, asked=asked: client.complete(ref, asked))
    found["no such resource"] = await answer(lambda: client.read_resource("demo://no/such"))
    found["no such prompt"] = "code" in await answer(lambda: client.get_prompt(f"{prefix}nothing"))
    return found


OWN = {"batch_call", "batch_read", "find_tools", "get_result"}


async def test_every_tool_prompt_resource_and_template_answers_the_same_behind_headgate(tmp_path: Path) -> None:
    command, args = everything()
    config = write_config(tmp_path, {"everything": {"command": command, "args": args}})
    async with client_of(mcp.StdioServerParameters(command=command, args=args)) as client:
        await anyio.sleep(1)  # it offers some tools only once it knows what its client can do
        bare = await all_answers(client, "")
    async with client_of(stdio_headgate(config)) as client:
        with anyio.fail_after(START_LIMIT_S):
            await client.call_tool("everything__echo", {"message": "up"})
            await anyio.sleep(1)
        behind = await all_answers(client, "everything__")

    assert {"tool trigger-sampling-request", "tool trigger-elicitation-request", "tool get-roots-list"} <= set(bare)
    assert len(bare) > 60
    assert {asked: said for asked, said in behind.items() if bare.get(asked) != said} == {}
    assert set(bare) == set(behind)
