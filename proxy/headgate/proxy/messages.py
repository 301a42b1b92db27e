"""JSON-RPC messages as bytes."""

import json
from collections.abc import Mapping
from typing import Any, cast

import orjson
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR


def encoded(message: Mapping[str, Any]) -> bytes:
    """One line of JSON, without newline."""
    try:
        return orjson.dumps(message)
    except TypeError:
        # An integer of more than 64 bits or half a surrogate pair: JSON all the same.
        return json.dumps(message, separators=(",", ":")).encode()


def decoded(message: bytes) -> dict[str, Any] | None:
    """The object that `message` holds; `None` where it is anything else, or no JSON."""
    try:
        # What cannot be an object is not worth an exception: a flood of it would cost twenty times as much.
        fields = orjson.loads(message) if message.lstrip(b" \t\r").startswith(b"{") else None
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, Any]", fields) if isinstance(fields, dict) else None


def error_of(error: object) -> MCPError:
    """The `error` of an answer as an exception."""
    fields = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
    code, message = fields.get("code"), fields.get("message")
    return MCPError(
        code if isinstance(code, int) else INTERNAL_ERROR,
        message if isinstance(message, str) else "the answer is neither a result nor an error",
        fields.get("data"),
    )
