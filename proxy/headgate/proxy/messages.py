"""JSON-RPC messages as bytes."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import orjson
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR
from pydantic_core import to_json

from headgate.tools.exact import exact

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some programs begin a text with. It is no part of it."""
_HALF = re.compile(rb"(?<!\\)(\\+)u[dD][89a-fA-F][0-9a-fA-F]{2}(?:(?<=[89abAB]..)(\\u[dD][c-fC-F][0-9a-fA-F]{2}))?")
"""What stands for half of a character, the other half with it where it follows; behind however many backslashes."""
_MAX_MENDED = 256 * 1024
"""Bytes of a text that is looked through for them: of more that would take too long."""


def encoded(message: Mapping[str, Any]) -> bytes:
    """One line of JSON, without newline. What is no number is null."""
    try:
        return orjson.dumps(message)
    except TypeError:
        pass
    # An integer of more than 64 bits or half a surrogate pair: JSON all the same.
    try:
        return json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        return to_json(message, inf_nan_mode="null")


def decoded(message: bytes) -> dict[str, Any] | None:
    """The object that `message` holds, to the last digit; `None` where it is anything else, or no JSON."""
    return _object_in(message, exact)


def heard(message: bytes) -> dict[str, Any] | None:
    """The object that a message of an upstream's holds, as `parsed` reads it; `None` as with `decoded`."""
    return _object_in(message.removeprefix(BYTE_ORDER_MARK), parsed)


def _object_in(message: bytes, parse: Callable[[bytes], Any]) -> dict[str, Any] | None:
    if not message.startswith(b"{") and not message.lstrip(b" \t\r\n").startswith(b"{"):
        return None  # which is not worth an exception: a flood of it would cost twenty times as much
    try:
        return parse(message)
    except orjson.JSONDecodeError:
        return None


def parsed(text: bytes) -> Any:
    """What a JSON text says, to the last digit. Half a surrogate pair is read as U+FFFD.

    JavaScript leaves one where it cuts a text in the middle of an emoji. No parser of ours takes it, and nothing could
    pass it on; but an answer that has come is not to be lost for it.

    Raises:
        orjson.JSONDecodeError: It is no JSON.

    """
    try:
        return exact(text)
    except orjson.JSONDecodeError:
        whole = mended(text)
        if whole == text:
            raise
        return exact(whole)


def mended(text: bytes) -> bytes:
    """A JSON text, as long as it was, with U+FFFD for each half of a surrogate pair in it, unless it is too large."""
    if len(text) > _MAX_MENDED or (b"\\ud" not in text and b"\\uD" not in text):
        return text
    return _HALF.sub(_whole, text)


def _whole(match: re.Match[bytes]) -> bytes:
    """A surrogate pair as it is; for half of one what stands for a character that is not known."""
    backslashes = match[1]
    if match[2] is not None or len(backslashes) % 2 == 0:
        return match[0]
    return backslashes + b"ufffd"


def error_of(error: object) -> MCPError:
    """The `error` of an answer as an exception."""
    fields = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
    code, message = fields.get("code"), fields.get("message")
    return MCPError(
        code if isinstance(code, int) else INTERNAL_ERROR,
        message if isinstance(message, str) else "the answer is neither a result nor an error",
        fields.get("data"),
    )
