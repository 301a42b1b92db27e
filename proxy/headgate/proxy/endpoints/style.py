"""How values are written into a path, a query, a header or a cookie: the styles of OpenAPI. Pure: no I/O."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast
from urllib.parse import quote

from headgate.proxy.endpoints.endpoint import Parameter

Encode = Callable[[str], str]
_DELIMITERS = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}


class BadArgumentError(ValueError):
    """An argument that cannot be sent. Its text is a sentence for whoever gave it, without its value."""


def encoded(text: str) -> str:
    """`text` percent-encoded as data: nothing in it means anything to a URL any more.

    Raises:
        BadArgumentError: It is no Unicode text.

    """
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise BadArgumentError("it holds half a surrogate pair, which is no text") from None


def text_of(value: Any) -> str:
    """A plain value as its text; anything else as compact JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def in_path(parameter: Parameter, value: Any) -> str:
    """What stands in the path for `value`, encoded."""
    match parameter.style:
        case "label":
            return "." + _joined(parameter, value, encoded, "." if parameter.explode else ",")
        case "matrix":
            return _matrix(parameter, value)
        case _:
            return _joined(parameter, value, encoded, ",")


def in_header(parameter: Parameter, value: Any) -> str:
    """What stands in the header, not encoded."""
    return text_of(value) if parameter.style == "json" else _joined(parameter, value, str, ",")


def in_query(parameter: Parameter, value: Any) -> list[tuple[str, str]]:
    """The pairs that stand in a query or a form for `value`, names and values encoded."""
    name = encoded(parameter.name)
    if parameter.style == "json" or not isinstance(value, list | dict):
        return [(name, encoded(text_of(value)))]
    if parameter.style == "deepObject":
        return list(_deep(parameter.name, cast("dict[str, Any] | list[Any]", value)))
    if not parameter.explode:
        delimiter = _DELIMITERS.get(parameter.style, ",")
        return [(name, delimiter.join(encoded(part) for part in _flat(value)))]
    if isinstance(value, list):
        return [(name, encoded(text_of(part))) for part in cast("list[Any]", value)]
    members = cast("dict[str, Any]", value)
    return [(encoded(key), encoded(text_of(part))) for key, part in members.items()]


def _deep(name: str, value: Mapping[str, Any] | list[Any]) -> Iterable[tuple[str, str]]:
    named = ((name, part) for part in value) if isinstance(value, list) else _named(name, value)
    for inner, part in named:
        if isinstance(part, dict | list):
            yield from _deep(inner, cast("dict[str, Any] | list[Any]", part))
        else:
            yield encoded(inner), encoded(text_of(part))


def _named(name: str, members: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return ((f"{name}[{key}]", part) for key, part in members.items())


def _joined(parameter: Parameter, value: Any, encode: Encode, delimiter: str) -> str:
    if parameter.explode and isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return delimiter.join(f"{encode(key)}={encode(text_of(part))}" for key, part in members.items())
    return delimiter.join(encode(part) for part in _flat(value))


def _matrix(parameter: Parameter, value: Any) -> str:
    name = encoded(parameter.name)
    if parameter.explode and isinstance(value, dict):
        return ";" + _joined(parameter, value, encoded, ";")
    if parameter.explode and isinstance(value, list):
        return "".join(f";{name}={encoded(text_of(part))}" for part in cast("list[Any]", value))
    return f";{name}={_joined(parameter, value, encoded, ',')}"


def _flat(value: Any) -> list[str]:
    """The parts of a list, or the names and values of an object in turn; a plain value alone."""
    if isinstance(value, list):
        return [text_of(part) for part in cast("list[Any]", value)]
    if isinstance(value, dict):
        return [text_of(part) for member in cast("dict[str, Any]", value).items() for part in member]
    return [text_of(value)]
