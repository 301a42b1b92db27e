"""The walk of README.md with the Python SDK: `python walk.py ORDER`, one JSON line on stdout for each thing seen.

ORDER is that of walk.mjs, which is the same walk with the TypeScript SDK.
"""

import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import mcp
from mcp import types
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client

ANSWER_LIMIT_S = 20
OFFERED = types.ElicitationCapability(form=types.FormElicitationCapability())
Step = dict[str, Any]


def say(step: str, saw: object) -> None:
    sys.stdout.write(json.dumps({"step": step, "saw": saw}, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def plain(model: Any) -> Any:
    """A part of an answer as it is on the wire."""
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


class Walk:
    """One client, and the person behind it."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.answers: list[bool] = []
        """What the person says when asked, in this order."""
        self.asked: list[str] = []
        self.changed = anyio.Event()

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[mcp.Client]:
        async with AsyncExitStack() as stack:
            era = self.order["era"]
            client = mcp.Client(
                await self._target(stack),
                mode="legacy" if era == "2025" else "auto",
                client_info=types.Implementation(name="walk", version="1"),
                elicitation_callback=self._asked_for,
                message_handler=self._told,
                cache=None,
            )
            yield await stack.enter_async_context(client)

    async def _target(self, stack: AsyncExitStack) -> Any:
        if "command" in self.order:
            command, *args = self.order["command"]
            return mcp.StdioServerParameters(command=command, args=args, env=dict(os.environ))
        token = self.order.get("token")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=ANSWER_LIMIT_S))
        return streamable_http_client(self.order["url"], http_client=http)

    async def _asked_for(self, context: ClientRequestContext, params: Any) -> types.ElicitResult:
        del context
        self.asked.append(params.message)
        allow = self.answers.pop(0)
        return types.ElicitResult(action="accept", content={"allow": True}) if allow else DECLINED

    async def _told(self, message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self.changed.set()

    async def call(self, client: mcp.Client, step: Step, **options: Any) -> dict[str, Any]:
        answer = await client.call_tool(step["tool"], step["arguments"], **options)
        said = plain(answer)
        return {key: said.get(key) for key in ("content", "structuredContent")} | {"isError": answer.is_error or False}

    async def call_step(self, client: mcp.Client, step: Step) -> object:
        return await self.call(client, step)

    async def ready_step(self, client: mcp.Client, step: Step) -> object:
        while (answer := await self.call(client, step))["structuredContent"]["of"] < step["of"]:  # noqa: ASYNC110
            await anyio.sleep(0.05)
        return answer

    async def tools_step(self, client: mcp.Client, _step: Step) -> object:
        tools = (await client.list_tools()).tools
        return sorted([tool.name, tool.annotations and tool.annotations.read_only_hint] for tool in tools)

    async def pages_step(self, client: mcp.Client, step: Step) -> object:
        reply = (await self.call(client, step))["structuredContent"]
        text, offset = "", 0
        while offset is not None:
            rest = {"batch_id": reply["batch_id"], "id": reply["results"][0]["id"], "offset": offset}
            asked = {"tool": "get_result", "arguments": {**rest, "limit": step["limit"]}}
            page = (await self.call(client, asked))["structuredContent"]
            text += page["data"]
            offset = page.get("next_offset")
        [result] = reply["results"]
        return {"cut": len(result.pop("data")) < len(text), "reply": reply, "text": text}

    async def progress_step(self, client: mcp.Client, step: Step) -> object:
        seen: list[list[float | None]] = []

        async def progressed(progress: float, total: float | None, _message: str | None) -> None:
            seen.append([progress, total])

        answer = await self.call(client, step, progress_callback=progressed)
        return {"answer": answer, "seen": seen}

    async def cancel_step(self, client: mcp.Client, step: Step) -> object:
        with anyio.move_on_after(step["after_ms"] / 1000):
            await self.call(client, step)
            return "answered"
        return "cancelled"

    async def confirm_step(self, client: mcp.Client, step: Step) -> object:
        self.answers.append(step["allow"])
        answer = await self.call(client, step)
        asked, self.asked = self.asked, []
        return {"asked": asked, "answer": answer}

    async def prompts_step(self, client: mcp.Client, step: Step) -> object:
        listed = sorted(each.name for each in (await client.list_prompts()).prompts)
        prompt = await client.get_prompt(step["prompt"], step["arguments"])
        return {"listed": listed, "messages": [plain(message) for message in prompt.messages]}

    async def resources_step(self, client: mcp.Client, step: Step) -> object:
        listed = sorted(str(each.uri) for each in (await client.list_resources()).resources)
        offered = (await client.list_resource_templates()).resource_templates
        contents = (await client.read_resource(step["uri"])).contents
        templates = sorted(each.uri_template for each in offered)
        return {"listed": listed, "templates": templates, "contents": [plain(each) for each in contents]}

    async def complete_step(self, client: mcp.Client, step: Step) -> object:
        answer = await client.complete(types.PromptReference(name=step["prompt"]), step["argument"])
        return answer.completion.values

    async def change_step(self, client: mcp.Client, step: Step) -> object:
        async with AsyncExitStack() as stack:
            listening = None
            if self.order["era"] != "2025":
                listening = await stack.enter_async_context(client.listen(tools_list_changed=True))
            self._change_config()
            if listening is None:
                await self.changed.wait()
            else:
                await anext(aiter(listening))
            while step["awaited"] not in {tool.name for tool in (await client.list_tools()).tools}:  # noqa: ASYNC110
                await anyio.sleep(0.05)
        return step["awaited"]

    def _change_config(self) -> None:
        with Path(self.order["config"]).open("a", encoding="utf-8") as config:
            config.write(self.order["addition"])


DECLINED = types.ElicitResult(action="decline")


async def main(order: dict[str, Any]) -> None:
    walk = Walk(order)
    async with walk.connected() as client:
        info = client.server_info
        say("connected", {"server": info and info.name, "instructions": client.instructions})
        for step in order["steps"]:
            with anyio.fail_after(ANSWER_LIMIT_S):
                say(step["name"], await getattr(walk, f"{step['kind']}_step")(client, step))


if __name__ == "__main__":
    anyio.run(main, json.loads(sys.argv[1]))
