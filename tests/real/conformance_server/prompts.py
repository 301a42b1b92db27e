"""The prompts that the suite asks for."""

from collections.abc import Callable, Mapping
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from tests.real.conformance_server.answers import DONE, LISTED, Answer, Context, asks, content_of, form
from tests.real.conformance_server.media import IMAGE

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


async def complete(_ctx: Context, params: types.CompleteRequestParams) -> Any:
    values = [value for value in ("paris", "park", "party") if value.startswith(params.argument.value)]
    return {**DONE, "completion": {"values": values, "total": len(values), "hasMore": False}}
