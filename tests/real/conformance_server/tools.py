"""The tools that the suite calls, by the names it calls them."""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp.server.subscriptions import InMemorySubscriptionBus, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from tests.real.conformance_server.answers import (
    DONE,
    LISTED,
    ROOTS,
    Answer,
    Context,
    Tool,
    asks,
    content_of,
    form,
    question,
    responses_in,
    state_in,
    text,
)
from tests.real.conformance_server.media import AUDIO, EMBEDDED, IMAGE, MIXED
from tests.real.conformance_server.schemas import DEFAULTS, ENUMS, EVERYTHING, JSON_SCHEMA

bus = InMemorySubscriptionBus()


def always(answer: Answer) -> Tool:
    async def tool(_ctx: Context, _arguments: Mapping[str, Any]) -> Answer:
        return answer

    return tool


def rounds(*needed: tuple[str, Answer], state: str | None = None, says: str = "done") -> Tool:
    """A tool that asks `needed`, and is done once it has an answer to each."""

    async def tool(ctx: Context, _arguments: Mapping[str, Any]) -> Answer:
        given = responses_in(ctx)
        if all(key in given for key, _ in needed) and (state is None or state_in(ctx) == state):
            return text(says)
        return asks(state, **dict(needed))

    return tool


async def greets(ctx: Context, _arguments: Mapping[str, Any]) -> Answer:
    name = (content_of(ctx, "user_name") or {}).get("name")
    if isinstance(name, str):
        return text(f"Hello, {name}!")
    return asks(user_name=form("What is your name?", name="string"))


async def multi_round(ctx: Context, _arguments: Mapping[str, Any]) -> Answer:
    match state_in(ctx):
        case "round 2" if "step2" in responses_in(ctx):
            return text("done")
        case "round 1" if "step1" in responses_in(ctx):
            return asks("round 2", step2=form("Step 2: What is your favorite color?", color="string"))
        case _:
            return asks("round 1", step1=form("Step 1: What is your name?", name="string"))


async def capable(ctx: Context, _arguments: Mapping[str, Any]) -> Answer:
    found = ctx.session.client_capabilities
    needed: dict[str, Answer] = {}
    if found is not None and found.sampling is not None:
        needed["capital_question"] = question("What is the capital of France?", 100)
    if found is not None and found.elicitation is not None:
        needed["user_name"] = form("What is your name?", name="string")
    if not needed or all(key in responses_in(ctx) for key in needed):
        return text("done")
    return asks(None, **needed)


async def missing_capability(ctx: Context, _arguments: Mapping[str, Any]) -> Answer:
    found = ctx.session.client_capabilities
    if found is None or found.sampling is None:
        data: Answer = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "sampling is required", data)
    return text("done")


async def samples(ctx: Context, arguments: Mapping[str, Any]) -> Answer:
    asked = question(str(arguments.get("prompt")), 100)["params"]
    request = types.CreateMessageRequest(params=types.CreateMessageRequestParams.model_validate(asked))
    answer = await in_the_midst(ctx, request, types.CreateMessageResult)
    said = answer.content.text if isinstance(answer.content, types.TextContent) else ""
    return text(f"LLM response: {said}")


def elicits(schema: Answer | None, message: str) -> Tool:
    async def tool(ctx: Context, arguments: Mapping[str, Any]) -> Answer:
        asked = str(arguments.get("message", message))
        wanted = schema or {
            "type": "object",
            "properties": {"username": {"type": "string"}, "email": {"type": "string"}},
            "required": ["username", "email"],
        }
        request = types.ElicitRequest(params=types.ElicitRequestFormParams(message=asked, requested_schema=wanted))
        answer = await in_the_midst(ctx, request, types.ElicitResult)
        return text(f"Elicitation completed: action={answer.action}, content={answer.content}")

    return tool


async def in_the_midst(ctx: Context, request: Any, answer: Any) -> Any:
    related = ServerMessageMetadata(related_request_id=ctx.request_id)
    return await ctx.session.send_request(request, answer, metadata=related)


async def logs(ctx: Context, _arguments: Mapping[str, Any]) -> Answer:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", words, "conformance", ctx.request_id)  # pyright: ignore[reportDeprecated]
        await asyncio.sleep(0.05)
    return text("logged")


async def progresses(ctx: Context, _arguments: Mapping[str, Any]) -> Answer:
    for step in (0, 50, 100):
        await ctx.session.report_progress(step, 100, f"Completed step {step} of 100")
        await asyncio.sleep(0.05)
    return text("done")


async def reconnects(ctx: Context, _arguments: Mapping[str, Any]) -> Answer:
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await asyncio.sleep(0.2)
    return text("reconnected")


async def changes_tools(_ctx: Context, _arguments: Mapping[str, Any]) -> Answer:
    await bus.publish(ToolsListChanged())
    return text("done")


async def changes_prompts(_ctx: Context, _arguments: Mapping[str, Any]) -> Answer:
    await bus.publish(PromptsListChanged())
    return text("done")


_NAME = form("What is your name?", name="string")
_STATE = hashlib.sha256(b"conformance").hexdigest()

TOOLS: dict[str, tuple[Tool, Answer]] = {
    "test_simple_text": (always(text("This is a simple text response for testing.")), EVERYTHING),
    "test_image_content": (always({**DONE, "content": [IMAGE]}), EVERYTHING),
    "test_audio_content": (always({**DONE, "content": [AUDIO]}), EVERYTHING),
    "test_embedded_resource": (always({**DONE, "content": [EMBEDDED]}), EVERYTHING),
    "test_multiple_content_types": (
        always({**DONE, "content": [{"type": "text", "text": "Several:"}, IMAGE, MIXED]}),
        EVERYTHING,
    ),
    "test_error_handling": (
        always(text("This tool intentionally returns an error for testing", isError=True)),
        EVERYTHING,
    ),
    "test_tool_with_logging": (logs, EVERYTHING),
    "test_logging_tool": (logs, EVERYTHING),
    "test_tool_with_progress": (progresses, EVERYTHING),
    "test_sampling": (
        samples,
        {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]},
    ),
    "test_elicitation": (
        elicits(None, "Who are you?"),
        {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
    ),
    "test_elicitation_sep1034_defaults": (elicits(DEFAULTS, "Please provide user information"), EVERYTHING),
    "test_elicitation_sep1330_enums": (elicits(ENUMS, "Please select"), EVERYTHING),
    "test_reconnection": (reconnects, EVERYTHING),
    "json_schema_2020_12_tool": (always(text("done")), JSON_SCHEMA),
    "test_missing_capability": (missing_capability, EVERYTHING),
    "test_streaming_elicitation": (rounds(("user_name", _NAME)), EVERYTHING),
    "test_trigger_tool_change": (changes_tools, EVERYTHING),
    "test_trigger_prompt_change": (changes_prompts, EVERYTHING),
    "test_x_mcp_header": (
        always(text("done")),
        {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}},
    ),
    "test_input_required_result_elicitation": (greets, EVERYTHING),
    "test_input_required_result_sampling": (
        rounds(("capital_question", question("What is the capital of France?", 100))),
        EVERYTHING,
    ),
    "test_input_required_result_list_roots": (rounds(("client_roots", ROOTS)), EVERYTHING),
    "test_input_required_result_request_state": (
        rounds(("confirm", form("Please confirm", ok="boolean")), state=_STATE, says="state-ok"),
        EVERYTHING,
    ),
    "test_input_required_result_tampered_state": (
        rounds(("confirm", form("Please confirm", ok="boolean")), state=_STATE, says="state-ok"),
        EVERYTHING,
    ),
    "test_input_required_result_multiple_inputs": (
        rounds(
            ("user_name", _NAME),
            ("greeting", question("Generate a greeting", 50)),
            ("client_roots", ROOTS),
            state=_STATE,
        ),
        EVERYTHING,
    ),
    "test_input_required_result_multi_round": (multi_round, EVERYTHING),
    "test_input_required_result_capabilities": (capable, EVERYTHING),
}


async def list_tools(_ctx: Context, _params: object) -> Any:
    tools = [
        {"name": name, "description": f"{name} of the suite", "inputSchema": schema}
        for name, (_, schema) in TOOLS.items()
    ]
    return {**LISTED, "tools": tools}


async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> Any:
    if params.name not in TOOLS:
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
    return await TOOLS[params.name][0](ctx, params.arguments or {})
