"""What upstreams answer, made to fit the client's version of MCP.

The SDK checks each result as it goes out, and what does not fit is lost whole: a list of tools for one definition, the
reply to a batch for one image. So what an upstream made up is looked at before.
"""

from collections.abc import Mapping
from typing import Any, cast

from mcp_types.methods import validate_server_result
from mcp_types.version import LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

_LEFT_OUT = {"type": "text", "text": "(content of a kind that MCP does not know was left out)"}
_NOT_A_RESULT = "UPSTREAM_ERROR: its answer is not one that MCP knows"


def is_listable(definition: Mapping[str, Any], method: str = "tools/list", key: str = "tools") -> bool:
    """Whether a definition can stand in a list, in either era: under `key` in the answer to `method`."""
    listed = {key: [definition], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    return all(is_valid(method, version, listed) for version in (LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION))


def fitted(result: dict[str, Any], version: str) -> dict[str, Any]:
    """A `tools/call` result without what no client of `version` takes. Blocks keep their places."""
    content = result.get("content", [])
    if not isinstance(content, list):
        return _failed(_NOT_A_RESULT)
    blocks = cast("list[Any]", content)
    if "content" not in result or not all(map(is_text, blocks)):
        result = {**result, "content": [block if _fits(block) else _LEFT_OUT for block in blocks]}
    if not isinstance(result.get("isError", False), bool):
        result = {**result, "isError": bool(result["isError"])}
    if not isinstance(result.get("_meta", {}), dict):
        result = {key: value for key, value in result.items() if key != "_meta"}
    if version not in MODERN_PROTOCOL_VERSIONS and not isinstance(result.get("structuredContent", {}), dict):
        result = {key: value for key, value in result.items() if key != "structuredContent"}
    return result


def is_question(method: str, version: str, result: Mapping[str, Any]) -> bool:
    """Whether `result` asks for input in a way that a client of `version` can answer."""
    if version not in MODERN_PROTOCOL_VERSIONS or not (result.get("inputRequests") or result.get("requestState")):
        return False
    return is_valid(method, version, result)


def _failed(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": True}


def is_text(block: object) -> bool:
    """Whether a content block is a text and nothing else."""
    if not isinstance(block, dict):
        return False
    fields = cast("dict[str, Any]", block)
    return fields.get("type") == "text" and isinstance(fields.get("text"), str) and len(fields) == 2


def _fits(block: object) -> bool:
    # The newer era's own check takes whatever it does not know, and drops it.
    return is_text(block) or is_valid("tools/call", LATEST_HANDSHAKE_VERSION, {"content": [block]})


def is_valid(method: str, version: str, result: Mapping[str, Any]) -> bool:
    """Whether `result` is one that a client of `version` takes as the answer to `method`."""
    try:
        validate_server_result(method, version, result)
    except ValidationError:
        return False
    return True
