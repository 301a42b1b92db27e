"""JSON without a space too many, as it is sent and measured."""

from typing import Any

import orjson
from pydantic_core import to_json


def compact(value: Any) -> bytes:
    """The JSON text of `value`."""
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer of more than 64 bits: the slower one takes it
        return to_json(value)
