"""OpenAI's two shapes: Chat Completions (`tool_calls`, tool messages) and Responses (`function_call` items)."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from headgate.server.agents.answer import Answered
from headgate.server.agents.asked import AskedCall, NotAnAnswerError, as_object, asked_call, objects_in

_EXPECTED = (
    "answer_openai takes an assistant message of Chat Completions (an object with tool_calls), a response of the "
    "Responses API (an object with output), or the list of its output items"
)


def chat_calls(message: object) -> list[AskedCall] | None:
    """The calls of an assistant message; `None` where it is none."""
    fields = as_object(message)
    if fields is None or not ("tool_calls" in fields or "role" in fields):
        return None
    return [_chat_call(call) for call in objects_in(fields.get("tool_calls"))]


def _chat_call(call: Mapping[str, Any]) -> AskedCall:
    function = as_object(call.get("function"))
    if function is None:
        return AskedCall(str(call.get("id") or ""), "", {}, "this is no call of a function")
    return asked_call(call.get("id"), function.get("name"), function.get("arguments"))


def chat_messages(answered: Sequence[Answered]) -> list[dict[str, Any]]:
    """A tool message for each."""
    return [{"role": "tool", "tool_call_id": each.id, "content": _with_left_out(each)} for each in answered]


def response_calls(response: object) -> list[AskedCall]:
    """The calls of a response, or of the list of its output items.

    Raises:
        NotAnAnswerError: It is neither.

    """
    fields = as_object(response)
    output = response if fields is None else fields.get("output")
    if not isinstance(output, list):
        raise NotAnAnswerError(_EXPECTED)
    calls = [item for item in objects_in(cast("list[object]", output)) if item.get("type") == "function_call"]
    return [asked_call(item.get("call_id"), item.get("name"), item.get("arguments")) for item in calls]


def response_items(answered: Sequence[Answered]) -> list[dict[str, Any]]:
    """A function_call_output for each, with its images."""
    return [{"type": "function_call_output", "call_id": each.id, "output": _output(each)} for each in answered]


def _output(answered: Answered) -> str | list[dict[str, Any]]:
    images = [block for block in answered.blocks if block.get("type") == "image"]
    if not images:
        return _with_left_out(answered)
    urls = [f"data:{image.get('mimeType')};base64,{image.get('data')}" for image in images]
    text = [{"type": "input_text", "text": answered.text}] if answered.text else []
    return [*text, *({"type": "input_image", "image_url": url} for url in urls)]


def _with_left_out(answered: Answered) -> str:
    """The text, which says of blocks that a text message cannot carry that they were there."""
    kinds = [str(block.get("type")) for block in answered.blocks]
    if not kinds:
        return answered.text
    note = f"({', '.join(kinds)}: not text, and left out)"
    return f"{answered.text}\n{note}" if answered.text else note


def chat_tools(definitions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """MCP tool definitions as the `tools` of a Chat Completions request."""
    return [{"type": "function", "function": _function(definition)} for definition in definitions]


def response_tools(definitions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """MCP tool definitions as the `tools` of a Responses request."""
    return [{"type": "function", **_function(definition), "strict": False} for definition in definitions]


def _function(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": definition["name"],
        "description": definition.get("description", ""),
        "parameters": definition["inputSchema"],
    }
