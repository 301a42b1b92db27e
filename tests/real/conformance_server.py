"""A server that implements what the official conformance suite asks for, in both eras: `python … PORT`.

The low-level server, so that what it answers is what stands here. What its tools are to do is said by the suite itself.
"""

import asyncio
import hashlib
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

Context = ServerRequestContext[Any, Any]
Answer = dict[str, Any]
Tool = Callable[[Context, Mapping[str, Any]], Awaitable[Answer]]

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgAAIAAAUAAXpeqz8AAAAASUVORK5CYII="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="
LISTED: Answer = {"resultType": "complete", "ttlMs": 1000, "cacheScope": "private"}
DONE: Answer = {"resultType": "complete"}
EVERYTHING: Answer = {"type": "object", "properties": {}}
JSON_SCHEMA: Answer = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
DEFAULTS: Answer = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
    "required": [],
}
_NAMED = [{"const": f"value{number}", "title": f"Option {number}"} for number in (1, 2, 3)]
_PLAIN = [f"option{number}" for number in (1, 2, 3)]
ENUMS: Answer = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": _PLAIN},
        "titledSingle": {"type": "string", "oneOf": _NAMED},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _PLAIN}},
        "titledMulti": {"type": "array", "items": {"anyOf": _NAMED}},
    },
    "required": [],
}

bus = InMemorySubscriptionBus()


def text(words: str, **more: Any) -> Answer:
    return {**DONE, "content": [{"type": "text", "text": words}], **more}


def form(message: str, **properties: str) -> Answer:
    fields = {name: {"type": kind} for name, kind in properties.items()}
    schema = {"type": "object", "properties": fields, "required": [*fields]}
    return {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": message, "requestedSchema": schema},
    }


def question(words: str, limit: int) -> Answer:
    messages = [{"role": "user", "content": {"type": "text", "text": words}}]
    return {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": limit}}


ROOTS: Answer = {"method": "roots/list", "params": {}}


def asks(state: str | None = None, **questions: Answer) -> Answer:
    answer: Answer = {"resultType": "input_required", "inputRequests": questions}
    return answer if state is None else {**answer, "requestState": state}


def always(answer: Answer) -> Tool:
    async def tool(_ctx: Context, _arguments: Mapping[str, Any]) -> Answer:
        return answer

    return tool


def responses_in(ctx: Context) -> Mapping[str, Any]:
    return (ctx.params or {}).get("inputResponses") or {}


def state_in(ctx: Context) -> str | None:
    return (ctx.params or {}).get("requestState")


def content_of(ctx: Context, key: str) -> Mapping[str, Any] | None:
    """What a form was filled in with; `None` where it was not, or not as it should be."""
    response: Answer = responses_in(ctx).get(key) or {}
    content: object = response.get("content") if response.get("action") == "accept" else None
    return cast("Answer", content) if isinstance(content, dict) else None


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


IMAGE = {"type": "image", "data": PNG, "mimeType": "image/png"}
AUDIO = {"type": "audio", "data": WAV, "mimeType": "audio/wav"}
EMBEDDED = {
    "type": "resource",
    "resource": {"uri": "test://embedded-resource", "mimeType": "text/plain", "text": "An embedded resource."},
}
MIXED = {
    "type": "resource",
    "resource": {"uri": "test://mixed-content-resource", "mimeType": "application/json", "text": '{"value":123}'},
}
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

PROMPTS: dict[str, tuple[list[str], Callable[[Mapping[str, str]], list[Answer]]]] = {
    "test_simple_prompt": ([], lambda _: [{"type": "text", "text": "This is a simple prompt for testing."}]),
    "test_prompt_with_arguments": (
        ["arg1", "arg2"],
        lambda given: [
            {"type": "text", "text": f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'"}
        ],
    ),
    "test_prompt_with_embedded_resource": (
        ["resourceUri"],
        lambda given: [
            {
                "type": "resource",
                "resource": {"uri": given["resourceUri"], "mimeType": "text/plain", "text": "Embedded."},
            },
            {"type": "text", "text": "Please process the embedded resource above."},
        ],
    ),
    "test_prompt_with_image": ([], lambda _: [IMAGE, {"type": "text", "text": "Please analyze the image above."}]),
    "test_input_required_result_prompt": ([], lambda _: [{"type": "text", "text": "With context."}]),
}

RESOURCES: dict[str, Answer] = {
    "test://static-text": {"mimeType": "text/plain", "text": "This is the content of the static text resource."},
    "test://static-binary": {"mimeType": "image/png", "blob": PNG},
    "test://watched-resource": {"mimeType": "text/plain", "text": "Watched."},
}
_TEMPLATE = ("test://template/", "/data")


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


async def list_prompts(_ctx: Context, _params: object) -> Any:
    prompts = [
        {
            "name": name,
            "description": f"{name} of the suite",
            "arguments": [{"name": argument, "description": argument, "required": True} for argument in arguments],
        }
        for name, (arguments, _) in PROMPTS.items()
    ]
    return {**LISTED, "prompts": prompts}


async def get_prompt(ctx: Context, params: types.GetPromptRequestParams) -> Any:
    if params.name not in PROMPTS:
        raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")
    modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
    if params.name == "test_input_required_result_prompt" and modern and content_of(ctx, "user_context") is None:
        return asks(user_context=form("What context should the prompt use?", context="string"))
    content = PROMPTS[params.name][1](params.arguments or {})
    return {**DONE, "messages": [{"role": "user", "content": block} for block in content]}


async def list_resources(_ctx: Context, _params: object) -> Any:
    resources = [
        {"uri": uri, "name": uri.removeprefix("test://"), "description": uri, "mimeType": found["mimeType"]}
        for uri, found in RESOURCES.items()
    ]
    return {**LISTED, "resources": resources}


async def list_templates(_ctx: Context, _params: object) -> Any:
    template = {"uriTemplate": "test://template/{id}/data", "name": "template", "mimeType": "application/json"}
    return {**LISTED, "resourceTemplates": [template]}


async def read_resource(_ctx: Context, params: types.ReadResourceRequestParams) -> Any:
    uri, (head, tail) = str(params.uri), _TEMPLATE
    if uri.startswith(head) and uri.endswith(tail):
        inner = uri.removeprefix(head).removesuffix(tail)
        found = {"mimeType": "application/json", "text": f'{{"id":"{inner}","templateTest":true}}'}
    elif uri in RESOURCES:
        found = RESOURCES[uri]
    else:
        raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})
    return {**LISTED, "contents": [{"uri": uri, **found}]}


async def complete(_ctx: Context, params: types.CompleteRequestParams) -> Any:
    values = [value for value in ("paris", "park", "party") if value.startswith(params.argument.value)]
    return {**DONE, "completion": {"values": values, "total": len(values), "hasMore": False}}


async def nothing(_ctx: Context, _params: object) -> Any:
    return {}


class Events(EventStore):
    """What has gone out, so that a client can go on where its stream ended."""

    def __init__(self) -> None:
        self._events: list[tuple[StreamId, types.JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: StreamId, message: types.JSONRPCMessage | None) -> EventId:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        if not last_event_id.isdecimal() or not 0 < int(last_event_id) <= len(self._events):
            return None
        stream, _ = self._events[int(last_event_id) - 1]
        for number, (other, message) in enumerate(self._events[int(last_event_id) :], int(last_event_id) + 1):
            if other == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def conformance_server() -> Server[Any]:
    server: Server[Any] = Server("conformance", version="1", on_list_tools=list_tools, on_call_tool=call_tool)
    listing = types.PaginatedRequestParams
    server.add_request_handler("prompts/list", listing, list_prompts)
    server.add_request_handler("prompts/get", types.GetPromptRequestParams, get_prompt)
    server.add_request_handler("resources/list", listing, list_resources)
    server.add_request_handler("resources/templates/list", listing, list_templates)
    server.add_request_handler("resources/read", types.ReadResourceRequestParams, read_resource)
    server.add_request_handler("resources/subscribe", types.SubscribeRequestParams, nothing)
    server.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, nothing)
    server.add_request_handler("completion/complete", types.CompleteRequestParams, complete)
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, nothing)
    server.add_request_handler("subscriptions/listen", types.SubscriptionsListenRequestParams, ListenHandler(bus))
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience="conformance"))
    return server


if __name__ == "__main__":
    app = conformance_server().streamable_http_app(event_store=Events(), retry_interval=100)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
