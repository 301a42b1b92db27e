"""One tool call as a model asked for it, whatever the provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from headgate.proxy.messages import parsed
from headgate.server.as_json import as_json, as_text


@dataclass(frozen=True, slots=True)
class AskedCall:
    """A tool call of a model's answer."""

    id: str
    """The provider's own, which the result has to carry."""
    tool: str
    arguments: Mapping[str, Any]
    fault: str | None = None
    """What is wrong with the arguments, where they could not be read."""


class NotAnAnswerError(ValueError):
    """What was handed over is no answer of a model's. The text says what it should be."""


def asked_call(identity: object, tool: object, arguments: object) -> AskedCall:
    """The call that a provider's `arguments`, an object or the JSON text of one, ask for."""
    call_id, name = str(identity or ""), as_text(str(tool or ""))
    try:
        if isinstance(arguments, str):
            arguments = parsed(as_text(arguments or "{}").encode())
        elif isinstance(arguments, Mapping):
            arguments = as_json(dict(cast("Mapping[object, object]", arguments)))
    except ValueError as wrong:
        return AskedCall(call_id, name, {}, f"the arguments are not valid JSON: {wrong}")
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, Mapping):
        return AskedCall(call_id, name, {}, "the arguments are not a JSON object")
    return AskedCall(call_id, name, cast("Mapping[str, Any]", arguments))


def as_object(value: object) -> dict[str, Any] | None:
    """`value` as a JSON object, which a model of a provider's library can say of itself; `None` where it is none."""
    dump = getattr(value, "model_dump", None)
    said: object = dump(mode="json", exclude_unset=True) if callable(dump) else value
    return cast("dict[str, Any]", said) if isinstance(said, dict) else None


def objects_in(values: object) -> list[dict[str, Any]]:
    """The objects of the list `values`, each as JSON."""
    listed = cast("list[object]", values) if isinstance(values, list | tuple) else []
    return [item for item in map(as_object, listed) if item is not None]
