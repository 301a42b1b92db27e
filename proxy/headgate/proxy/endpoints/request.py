"""An endpoint and arguments made into an HTTP request. Pure: no I/O.

Every argument stays in the place that is its own: it is data in a segment, in a pair of the query, in a header or in
the body, and what could make a server see more in it is refused.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from json import dumps
from typing import Any, cast

import orjson

from headgate.proxy.endpoints.address import Base, has_dot_segment, slots_of
from headgate.proxy.endpoints.endpoint import Body, Endpoint, Parameter
from headgate.proxy.endpoints.style import BadArgumentError, encoded, in_header, in_path, in_query, text_of

MAX_TARGET = 16_000
"""Characters of a path with its query: servers refuse longer ones, each in its own way."""
_SHOWN = 64
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_OF_HEADGATE = frozenset((
    "accept-encoding", "authorization", "connection", "content-encoding", "content-length", "content-type", "cookie",
    "expect", "forwarded", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
    "x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-real-ip", "x-rewrite-url",
))  # fmt: skip
"""Headers that say whose request this is, where it goes, or where it ends."""
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request, but for what every request of the upstream carries."""

    method: str
    target: str
    """Path and query, encoded."""
    headers: Mapping[str, str]
    content: bytes | None = None


def may_be_argument(header: str) -> bool:
    """Whether the header of that name may hold what a model says."""
    return bool(_HEADER_NAME.fullmatch(header)) and header.lower() not in _OF_HEADGATE


def prepared(endpoint: Endpoint, base: Base, arguments: Mapping[str, Any], fixed: Mapping[str, str]) -> Prepared:
    """The request of a call of `endpoint`; the pairs `fixed` stand in every query.

    Raises:
        BadArgumentError: An argument cannot be sent, or does not fit into its place.

    """
    for name in arguments.keys() - endpoint.arguments:
        raise BadArgumentError(f"{name[:_SHOWN]}: this tool has no such argument")
    given = {**endpoint.defaults, **arguments}
    target = base.prefix + _path(endpoint, given)
    query = _query(endpoint, given, fixed)
    if query:
        target = f"{target}?{query}"
    if len(target) > MAX_TARGET:
        raise BadArgumentError(f"its address would have more than {MAX_TARGET} characters")
    if not base.holds(target):
        raise BadArgumentError("its address would lie outside of the upstream's")
    headers = {"accept": endpoint.accept, **_headers(endpoint, given)}
    content = None if endpoint.body is None else _content(endpoint.body, given)
    if content is not None and endpoint.body is not None:
        headers["content-type"] = endpoint.body.media_type
    return Prepared(endpoint.method, target, headers, content)


def _path(endpoint: Endpoint, given: Mapping[str, Any]) -> str:
    parameters = {parameter.name: parameter for parameter in endpoint.parameters if parameter.place == "path"}
    filled = {name: _slot(parameters[name], given) for name in slots_of(endpoint.path)}
    return re.sub(r"\{([^{}/]+)\}", lambda slot: filled[slot[1]], endpoint.path)


def _slot(parameter: Parameter, given: Mapping[str, Any]) -> str:
    value = given.get(parameter.argument)
    text = text_of(value)
    if not text or value in ([], {}):
        raise BadArgumentError(f"{parameter.argument}: a part of the path cannot be empty")
    if _CONTROLS.search(text) or has_dot_segment(text):
        raise BadArgumentError(f"{parameter.argument}: a part of the path cannot hold . or .., or control characters")
    written: str = _named(parameter, lambda: in_path(parameter, value))
    if not written:  # of a list of nothing but an empty text
        raise BadArgumentError(f"{parameter.argument}: a part of the path cannot be empty")
    return written


def _query(endpoint: Endpoint, given: Mapping[str, Any], fixed: Mapping[str, str]) -> str:
    pairs = [(encoded(name), encoded(text)) for name, text in fixed.items()]
    taken = {name for name, _ in pairs}
    for parameter in _present(endpoint, "query", given):
        own = encoded(parameter.name)
        for name, text in _named(parameter, lambda: in_query(parameter, given[parameter.argument])):  # noqa: B023 - called at once
            if name != own and not name.startswith(f"{own}%5B") and name in _reserved(endpoint, taken):
                raise BadArgumentError(f"{parameter.argument}: another parameter has the name of one of its members")
            pairs.append((name, text))
    return "&".join(f"{name}={text}" for name, text in pairs)


def _reserved(endpoint: Endpoint, fixed: set[str]) -> set[str]:
    return fixed | {encoded(parameter.name) for parameter in endpoint.parameters if parameter.place == "query"}


def _headers(endpoint: Endpoint, given: Mapping[str, Any]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for parameter in _present(endpoint, "header", given):
        value = in_header(parameter, given[parameter.argument])
        if not _HEADER_VALUE.fullmatch(value):
            raise BadArgumentError(f"{parameter.argument}: a header holds ASCII text without line breaks")
        headers[parameter.name.lower()] = value.strip()
    cookies = [
        pair
        for parameter in _present(endpoint, "cookie", given)
        for pair in _named(parameter, lambda: in_query(parameter, given[parameter.argument]))  # noqa: B023 - called at once
    ]
    if cookies:
        headers["cookie"] = "; ".join(f"{name}={text}" for name, text in cookies)
    return headers


def _present(endpoint: Endpoint, place: str, given: Mapping[str, Any]) -> list[Parameter]:
    return [
        parameter
        for parameter in endpoint.parameters
        if parameter.place == place and given.get(parameter.argument) is not None
    ]


def _content(body: Body, given: Mapping[str, Any]) -> bytes | None:
    if body.argument is None:
        value: Any = {name: given[argument] for argument, name in body.fields if argument in given}
    elif body.argument in given:
        value = given[body.argument]
    else:
        return None
    try:
        return _written(body, value)
    except (UnicodeEncodeError, binascii.Error, ValueError) as wrong:
        said = str(wrong) if isinstance(wrong, BadArgumentError) else "it cannot be written as such"
        raise BadArgumentError(f"the body ({body.media_type}): {said}") from None


def _written(body: Body, value: Any) -> bytes:
    match body.kind:
        case "json":
            return as_json(value)
        case "form":
            return _form(value)
        case "text":
            return text_of(value).encode()
        case "bytes":
            if not isinstance(value, str):
                raise BadArgumentError("it is given as text in base64")
            return base64.b64decode(value, validate=True)


def as_json(value: Any) -> bytes:
    """`value` as JSON text, its integers of whatever size."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return dumps(value, ensure_ascii=False, allow_nan=False).encode()


def _form(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise BadArgumentError("it is given as an object")
    members = cast("dict[str, Any]", value)
    pairs = [pair for name, part in members.items() for pair in in_query(_field(name, part), part)]
    return "&".join(f"{name}={text}" for name, text in pairs).encode()


def _field(name: str, value: Any) -> Parameter:
    return Parameter(name, name, "query", "deepObject" if isinstance(value, dict) else "form", explode=True)


def _named(parameter: Parameter, write: Any) -> Any:
    """What `write` gives; a refusal of it begins with the argument's name."""
    try:
        return write()
    except BadArgumentError as wrong:
        raise BadArgumentError(f"{parameter.argument}: {wrong}") from None
