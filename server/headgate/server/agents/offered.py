"""The tools of a gate in the shape that a request to a model takes."""

from typing import Any, Literal

from headgate.server.agents import anthropic, openai
from headgate.server.gate import Gate
from headgate.tools.catalogue import Tool
from headgate.tools.offer import own_tools

Api = Literal["chat", "responses", "messages"]


def offered(gate: Gate, api: Api) -> list[dict[str, Any]]:
    """Every tool as it stands: headgate's own, the recipes, and those of upstreams unless they are for batches only."""
    shape = {"chat": openai.chat_tools, "responses": openai.response_tools, "messages": anthropic.tools}[api]
    return shape([*own_tools(), *({**tool.definition, **_named(tool)} for tool in gate.offered())])


def _named(tool: Tool) -> dict[str, Any]:
    return {"name": tool.qualified, "inputSchema": {"type": "object", **tool.input_schema}}
