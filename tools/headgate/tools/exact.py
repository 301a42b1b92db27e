"""JSON read to the last digit.

To orjson an integer of more than 64 bits is a float, which is another number. Texts with such a one are rare and can be
told from the look of them: only those are read once more, by what is slower.
"""

import json
from contextlib import suppress
from typing import Any

import orjson
from pydantic_core import from_json

_MAX_DOUBTFUL = 256 * 1024
"""Bytes of a text that orjson does not take and that is read once more: of more that would take too long."""


def _as_seen(byte: int) -> int:
    if byte in b"-0123456789":
        return ord("0")
    return ord(" ") if byte in b" \t\r\n[,:" else ord("x")


_AS_SEEN = bytes(map(_as_seen, range(256)))
_LARGE = b" " + b"0" * 20
"""An integer that may be too large, after `_AS_SEEN`: 20 digits, or a minus and 19, where a value begins."""


def exact(text: bytes) -> Any:
    """What a JSON text says; of integers every digit, unless it is nested more than some 900 levels deep.

    Raises:
        orjson.JSONDecodeError: It is no JSON, or there is a number in it that nothing could hold: one with a fraction
            or an exponent above 1.8e308, or an integer of more than 4300 digits (in texts above 256 KB, or nested more
            than 200 levels deep, 308).

    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        # Of more than 308 digits an integer is too large for a float too.
        if len(text) <= _MAX_DOUBTFUL and (b" " + text.translate(_AS_SEEN)).find(_LARGE) >= 0:
            with suppress(ValueError):
                value = from_json(text)
                json.dumps(value, allow_nan=False)  # refused, where NaN or 1e400 has been read
                return value
        raise
    # A tenth of what parsing takes, for long texts half; `in` would take more. A number alone stands behind nothing.
    if text.translate(_AS_SEEN).find(_LARGE) >= 0 or type(value) is float:
        with suppress(ValueError):
            return from_json(text)
        with suppress(RecursionError):  # nested more deeply than that one goes
            return json.loads(text)
    return value
