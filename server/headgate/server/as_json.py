"""What a program hands over, as the JSON that it stands for: nothing else could be sent, compared or written down."""

import json
from typing import Any

import orjson

from headgate.proxy.messages import parsed
from headgate.tools.coerce import request_of
from headgate.tools.refusal import Problem, Refusal


class NotJsonError(ValueError):
    """A value that JSON has no form for. The text says what it is."""


def as_json(value: object) -> Any:
    """`value` as its JSON text would be read: a tuple as a list, half a surrogate pair as U+FFFD.

    Raises:
        NotJsonError: It has no such text.

    """
    try:
        text = orjson.dumps(value)
    except TypeError:  # an integer of more than 64 bits, half a surrogate pair, a key that is no text
        text = _slowly(value)
    try:
        return parsed(text)
    except orjson.JSONDecodeError as wrong:
        raise NotJsonError(f"this is not JSON: {wrong.msg}") from None


def request_in(calls: object) -> object:
    """The request that a program's `calls` stand for, or the refusal of what is none."""
    try:
        return request_of(as_json(calls))
    except NotJsonError as wrong:
        return Refusal((Problem("INVALID_REQUEST", "", str(wrong)),))


def _slowly(value: object) -> bytes:
    try:
        return json.dumps(value).encode()
    except (TypeError, ValueError, RecursionError) as wrong:
        raise NotJsonError(f"this is not JSON: {wrong}") from None


def as_text(text: str) -> str:
    """`text` with U+FFFD for half a surrogate pair."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
