"""Anthropic's shape: `tool_use` blocks of a message's content, `tool_result` blocks of the next."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from headgate.server.agents.answer import Answered
from headgate.server.agents.asked import AskedCall, NotAnAnswerError, as_object, asked_call, objects_in

_IMAGES = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))
"""The kinds of images that a message takes."""


def used_tools(content: object) -> list[AskedCall]:
    """The calls of a message, or of its content blocks.

    Raises:
        NotAnAnswerError: It is neither.

    """
    message = as_object(content)
    blocks = content if message is None else message.get("content")
    if isinstance(blocks, str):
        return []
    if not isinstance(blocks, list):
        raise NotAnAnswerError("answer_anthropic takes a message's content blocks, or the message with them")
    uses = [block for block in objects_in(cast("list[object]", blocks)) if block.get("type") == "tool_use"]
    return [asked_call(use.get("id"), use.get("name"), use.get("input")) for use in uses]


def tool_results(answered: Sequence[Answered]) -> list[dict[str, Any]]:
    """A tool_result block for each."""
    return [_tool_result(each) for each in answered]


def _tool_result(answered: Answered) -> dict[str, Any]:
    result: dict[str, Any] = {"type": "tool_result", "tool_use_id": answered.id, "content": _content(answered)}
    return result | {"is_error": True} if answered.is_error else result


def _content(answered: Answered) -> str | list[dict[str, Any]]:
    if not answered.blocks:
        return answered.text
    text = [{"type": "text", "text": answered.text}] if answered.text else []
    return [*text, *map(_block, answered.blocks)]


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    if block.get("type") == "image" and block.get("mimeType") in _IMAGES:
        source = {"type": "base64", "media_type": block["mimeType"], "data": block.get("data")}
        return {"type": "image", "source": source}
    return {"type": "text", "text": f"({block.get('type')}: a message cannot carry it, and it was left out)"}


def tools(definitions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """MCP tool definitions as the `tools` of a Messages request."""
    return [
        {
            "name": definition["name"],
            "description": definition.get("description", ""),
            "input_schema": definition["inputSchema"],
        }
        for definition in definitions
    ]
