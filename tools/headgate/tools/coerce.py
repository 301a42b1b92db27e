"""The shapes that models send by mistake, turned into the one that they meant.

Nothing is guessed that could mean two things: what is left unclear goes on as it is and is refused by name.
"""

from collections.abc import Mapping
from typing import Any, cast

from headgate.tools.exact import exact

_ARGUMENT_ALIASES = ("args", "params", "parameters", "input")
_BATCH_OPTIONS = frozenset(("on_error", "timeout_s", "dry_run", "groups"))
CALL_FIELDS = frozenset(
    (
        "tool",
        "arguments",
        "id",
        "depends_on",
        "select",
        "timeout_s",
        "for_each",
        "parallel_group",
        "idempotency_key",
    )
)


def request_of(raw: object) -> object:
    """A request object from a request, a bare list of calls, a single call, or any of these as a JSON string."""
    value = _parsed(raw)
    if isinstance(value, list):
        return {"calls": [call_of(call) for call in cast("list[object]", value)]}
    if not isinstance(value, (dict, Mapping)):  # a dict, nearly always, and asking for that alone is quick
        return value
    request = dict(cast("Mapping[str, object]", value))
    if "calls" not in request:
        return {"calls": [call_of(request)]} if _names_a_tool(request) else request
    if None in request.values():
        request = {key: field for key, field in request.items() if field is not None or key not in _BATCH_OPTIONS}
    calls = _parsed(request["calls"])
    if isinstance(calls, Mapping) and _names_a_tool(cast("Mapping[str, object]", calls)):
        calls = cast("list[object]", [calls])
    if isinstance(calls, list):
        request["calls"] = [call_of(call) for call in cast("list[object]", calls)]
    return request


def call_of(raw: object) -> object:
    """One call with its tool under `tool` and its arguments as an object under `arguments`."""
    if isinstance(raw, str):
        raw = _parsed(raw)
    if not isinstance(raw, dict):
        return raw
    call = cast("dict[str, Any]", raw)
    if (
        call.keys() <= CALL_FIELDS
        and isinstance(call.get("arguments"), dict)
        and not isinstance(call.get("depends_on"), str)
        and None not in call.values()
    ):
        return call
    call = {key: value for key, value in call.items() if value is not None or key not in CALL_FIELDS}
    if "tool" not in call and isinstance(call.get("name"), str):
        call["tool"] = call.pop("name")
    _gather_arguments(call)
    if isinstance(call.get("depends_on"), str):
        call["depends_on"] = [call["depends_on"]]
    return call


def _gather_arguments(call: dict[str, Any]) -> None:
    if "arguments" not in call:
        for alias in _ARGUMENT_ALIASES:
            if alias in call and isinstance(_parsed(call[alias]), dict):
                call["arguments"] = call.pop(alias)
                break
    if "arguments" not in call:
        flat = [key for key in call if key not in CALL_FIELDS]
        call["arguments"] = {key: call.pop(key) for key in flat}
    call["arguments"] = _parsed(call["arguments"])


def _names_a_tool(value: Mapping[str, object]) -> bool:
    return isinstance(value.get("tool"), str) or isinstance(value.get("name"), str)


def _parsed(value: object) -> object:
    """`value`, or what it says as JSON where it is a JSON text of an object or a list."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return exact(value.encode())
    except ValueError:
        return value
