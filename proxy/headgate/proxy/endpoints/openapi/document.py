"""The text of a document as plain values. Pure: no I/O."""

import re
from dataclasses import dataclass
from typing import Any, Literal, cast

import orjson

from headgate.tools.exact import exact

MAX_DOCUMENT = 64 * 1024 * 1024
"""Bytes of a document."""
MAX_VALUES = 5_000_000
"""Values in a document; in YAML a few lines can stand for more than there is memory for."""
MAX_DEPTH = 200
Version = Literal["3.0", "3.1"]


class BadDocumentError(ValueError):
    """A document cannot be used. Its text says why, in words for a sentence that begins with "it"."""


@dataclass(frozen=True, slots=True)
class Document:
    """A whole document, JSON or YAML."""

    root: dict[str, Any]
    version: Version
    """3.2 adds to 3.1, and is read as such."""


def read_document(content: bytes) -> Document:
    """The document in `content`.

    Raises:
        BadDocumentError: It is none, or of a version that is not known.

    """
    root = _values(content)
    if not isinstance(root, dict):
        raise BadDocumentError("is no OpenAPI document: it holds no object")
    found = cast("dict[str, Any]", root)
    if "swagger" in found:
        raise BadDocumentError("is of Swagger 2.0: convert it to OpenAPI 3 first")
    version = re.match(r"3\.(\d+)", str(found.get("openapi", "")))
    if version is None:
        raise BadDocumentError("is no OpenAPI document of version 3: it says no openapi = 3.x")
    if not isinstance(found.get("paths", {}), dict):
        raise BadDocumentError("is no OpenAPI document: its paths are no object")
    return Document(found, "3.0" if version[1] == "0" else "3.1")


def _values(content: bytes) -> Any:
    text = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return exact(text)
    except orjson.JSONDecodeError as wrong:
        if text.lstrip().startswith((b"{", b"[")) and b"\n" not in text.strip():
            raise BadDocumentError(f"is no JSON: {wrong.msg} in line {wrong.lineno}") from None
    return _yaml(text)


def _yaml(text: bytes) -> Any:
    # Imported here: most documents are JSON.
    from headgate.proxy.endpoints.openapi.yaml_values import values_in  # noqa: PLC0415

    root = values_in(text)
    try:
        if _count(root, {}, 0) > MAX_VALUES:
            raise BadDocumentError("stands for more values than can be held: an alias is used over and over")
        return _jsonable(root)
    except RecursionError:
        raise BadDocumentError("is nested too deeply, or in itself") from None


def _count(value: Any, known: dict[int, int], depth: int) -> int:
    """How many values there are in `value`, one that several places share counted as often."""
    if not isinstance(value, dict | list):
        return 1
    if depth > MAX_DEPTH:
        raise RecursionError
    whole = cast("dict[Any, Any] | list[Any]", value)
    if id(whole) not in known:
        inner = whole.values() if isinstance(whole, dict) else whole
        known[id(whole)] = 1 + sum(_count(part, known, depth + 1) for part in inner)
    return known[id(whole)]


def _jsonable(value: Any) -> Any:
    """`value` with texts for keys, such as the status codes of responses, and for whatever JSON does not have."""
    if isinstance(value, dict):
        return {str(key): _jsonable(part) for key, part in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list):
        return [_jsonable(part) for part in cast("list[Any]", value)]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
