"""The operations of a document as endpoints. Pure: no I/O."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from openapi_pydantic.v3 import v3_0, v3_1
from pydantic import ValidationError

from headgate.proxy.endpoints.address import BadAddressError, Base, slots_of
from headgate.proxy.endpoints.endpoint import ANY_ANSWER, Body, BodyKind, Endpoint, Parameter, Place, Style
from headgate.proxy.endpoints.naming import MAX_ARGUMENT, argument_name, tool_name, unique
from headgate.proxy.endpoints.openapi.document import Document
from headgate.proxy.endpoints.openapi.references import BadReferenceError, References
from headgate.proxy.endpoints.openapi.schemas import Schemas
from headgate.proxy.endpoints.openapi.servers import path_of_servers
from headgate.proxy.endpoints.request import may_be_argument

METHODS = ("get", "head", "post", "put", "patch", "delete", "query")
MAX_DESCRIPTION = 1_500
"""Characters: a model reads the description of every tool that it is offered."""
_STYLES: Mapping[str, tuple[Style, ...]] = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
_HTML_TOO = "application/json, text/html;q=0.9, */*;q=0.5"
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9*.+-]+/[A-Za-z0-9*.+-]+(?:; ?[A-Za-z0-9=\"._-]+)*")
_WAYS: tuple[tuple[BodyKind, re.Pattern[str]], ...] = (
    ("json", re.compile(r"(?:application|text)/(?:[\w.+-]+\+)?json\b|\*/\*|application/\*", re.IGNORECASE)),
    ("form", re.compile(r"application/x-www-form-urlencoded\b", re.IGNORECASE)),
    ("text", re.compile(r"text/[^*]", re.IGNORECASE)),
    ("bytes", re.compile(r"(?!multipart/)[^*]+$", re.IGNORECASE)),
)
"""How a body can be sent, the likeliest first. What is put together of several parts is not known here."""


@dataclass(slots=True)
class Found:
    """What there is in a document."""

    endpoints: dict[str, Endpoint] = field(default_factory=dict[str, Endpoint])
    left_out: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Operations that are no tools, and why."""


class _LeftOutError(Exception):
    """An operation cannot be a tool."""


def endpoints_of(document: Document, base: Base, fixed: Iterable[str] = ()) -> Found:
    """The endpoints of `document` below `base`; `fixed` are the names of headers and of pairs of the query, in small
    letters, that stand in every request and so are no arguments.
    """  # noqa: D205
    reader = _Reader(document, base, frozenset(fixed))
    found = Found()
    for path, item in cast("dict[str, Any]", document.root.get("paths") or {}).items():
        for method, operation, shared in reader.operations(item, found, path):
            said = f"{method.upper()} {path}"
            try:
                endpoint = reader.endpoint(method, path, operation, shared, found.endpoints)
            except (_LeftOutError, BadReferenceError, BadAddressError) as wrong:
                found.left_out.append((said, str(wrong)))
            except ValidationError as wrong:
                found.left_out.append((said, _said(wrong)))
            else:
                found.endpoints[endpoint.name] = endpoint
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    document: Document
    base: Base
    fixed: frozenset[str]
    references: References = field(init=False)
    prefix: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "references", References(self.document.root))
        object.__setattr__(self, "prefix", path_of_servers(self.base, self.document.root.get("servers")) or "")

    def operations(self, item: Any, found: Found, path: str) -> list[tuple[str, dict[str, Any], list[Any]]]:
        """Method, operation and the parameters that all operations of the path share."""
        try:
            followed = self.references.followed(item)
        except BadReferenceError as wrong:
            found.left_out.append((path, str(wrong)))
            return []
        shared = _list(followed.get("parameters"))
        return [
            (method, {"servers": followed.get("servers"), **operation}, shared)
            for method in METHODS
            if isinstance(operation := followed.get(method), dict)
        ]

    def endpoint(
        self, method: str, path: str, operation: dict[str, Any], shared: list[Any], taken: Mapping[str, Any]
    ) -> Endpoint:
        parsed = self._parsed(operation)
        slots = slots_of(path)
        prefix = self.prefix
        if operation.get("servers"):
            own = path_of_servers(self.base, operation["servers"])
            if own is None:
                raise _LeftOutError("it has a server of its own, outside of the upstream's address")
            prefix = own
        schemas = Schemas(self.references, self.document.version)
        arguments = _Arguments(schemas)
        for parameter in self._parameters([*shared, *_list(operation.get("parameters"))], slots):
            self._add(parameter, arguments)
        for slot in slots:
            if not any(found.place == "path" and found.name == slot for found in arguments.parameters):
                arguments.add(slot, "path", "simple", {"type": "string"}, required=True)
        body = self._body(operation.get("requestBody"), arguments)
        hint = parsed.operationId or f"{method}_{path}"
        name = unique(tool_name(hint), taken, method)
        return Endpoint(
            name,
            method.upper(),
            prefix + path,
            tuple(arguments.parameters),
            body,
            arguments.schema(),
            _description(parsed, method, path),
            accept=_HTML_TOO if self._answers_html(operation) else ANY_ANSWER,
        )

    def _parsed(self, operation: dict[str, Any]) -> "v3_0.Operation | v3_1.Operation":
        """What the library makes of the operation, without the parts that are read one by one."""
        kept = ("operationId", "summary", "description", "deprecated")
        plain = {key: operation[key] for key in kept if operation.get(key) is not None}
        model = v3_0.Operation if self.document.version == "3.0" else v3_1.Operation
        return model.model_validate({**plain, "responses": {}})

    def _parameters(self, listed: list[Any], slots: tuple[str, ...]) -> list[dict[str, Any]]:
        """Each parameter once, the operation's own over that of its path; no path parameter without a slot."""
        by_place: dict[tuple[str, str], dict[str, Any]] = {}
        for item in listed:
            parameter = self.references.followed(item)
            by_place[str(parameter.get("in")), str(parameter.get("name"))] = parameter
        return [found for (place, name), found in by_place.items() if place != "path" or name in slots]

    def _add(self, raw: dict[str, Any], arguments: "_Arguments") -> None:
        contents = cast("dict[str, Any]", raw.get("content") if isinstance(raw.get("content"), dict) else {})
        model = v3_0.Parameter if self.document.version == "3.0" else v3_1.Parameter
        # Its schema is made apart: a mistake there must not cost the whole operation.
        parsed = model.model_validate({key: part for key, part in raw.items() if key not in _APART})
        place: Place = parsed.param_in.value
        if place in {"header", "query", "cookie"} and not self._is_free(parsed.name, place):
            return
        schema: Any = raw.get("schema", {})
        style: Style = _STYLES[place][0]
        if contents:
            style, schema = "json", _dict(next(iter(contents.values()))).get("schema", {})
        elif parsed.style in _STYLES[place]:
            style = parsed.style
        explode = parsed.explode if parsed.explode is not None else style in {"form", "deepObject"}
        made = _described(arguments.schemas.made(schema), parsed.description)
        arguments.add(parsed.name, place, style, made, required=parsed.required or place == "path", explode=explode)

    def _is_free(self, name: str, place: Place) -> bool:
        if place == "cookie":
            return "cookie" not in self.fixed
        return name.lower() not in self.fixed and (place == "query" or may_be_argument(name))

    def _body(self, raw: Any, arguments: "_Arguments") -> Body | None:
        if not raw:
            return None
        found = self.references.followed(raw)
        contents = {str(kind): _dict(media) for kind, media in _dict(found.get("content")).items()}
        chosen = _chosen(contents)
        if chosen is None:
            if found.get("required") is True:
                raise _LeftOutError(f"its body is {' or '.join(sorted(contents)) or 'of no type'}")
            return None
        kind, media_type = chosen
        schema = arguments.schemas.made(contents[media_type].get("schema", {}))
        if kind == "bytes":
            schema = {"type": "string", "contentEncoding": "base64", "description": f"{media_type}, in base64"}
        elif kind == "text" and not schema:
            schema = {"type": "string"}
        described = _described(schema, found.get("description"))
        name = arguments.take("body", "json", described, required=found.get("required") is True)
        sent = "application/json" if kind == "json" and "*" in media_type else media_type
        return Body(kind, name, media_type=sent)

    def _answers_html(self, operation: dict[str, Any]) -> bool:
        for status, answer in _dict(operation.get("responses")).items():
            if str(status).startswith("2"):
                try:
                    kinds = _dict(self.references.followed(answer).get("content"))
                except BadReferenceError:
                    continue
                if kinds and all("html" in kind for kind in kinds):
                    return True
        return False


_APART = frozenset(("schema", "content", "example", "examples"))


@dataclass(slots=True)
class _Arguments:
    """The arguments of one tool as they come together."""

    schemas: Schemas
    parameters: list[Parameter] = field(default_factory=list[Parameter])
    properties: dict[str, Any] = field(default_factory=dict[str, Any])
    required: list[str] = field(default_factory=list[str])

    def add(
        self, name: str, place: Place, style: Style, schema: Any, *, required: bool = False, explode: bool = False
    ) -> None:
        argument = self.take(name, place, schema, required=required)
        self.parameters.append(Parameter(argument, name, place, style, explode))

    def take(self, name: str, hint: str, schema: Any, *, required: bool) -> str:
        """A name for the argument that no other has."""
        argument = unique(argument_name(name), self.properties, hint, MAX_ARGUMENT)
        self.properties[argument] = schema
        if required:
            self.required.append(argument)
        return argument

    def schema(self) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "object", "properties": self.properties}
        if self.required:
            made["required"] = self.required
        made["additionalProperties"] = False
        return made | ({"$defs": self.schemas.definitions} if self.schemas.definitions else {})


def _chosen(contents: Mapping[str, Any]) -> "tuple[BodyKind, str] | None":
    """The type in which a body is sent, of those that the endpoint takes."""
    known = [kind for kind in contents if _MEDIA_TYPE.fullmatch(kind)]
    for way, pattern in _WAYS:
        for kind in known:
            if pattern.match(kind):
                return way, kind
    return None


def _description(parsed: "v3_0.Operation | v3_1.Operation", method: str, path: str) -> str:
    parts = [part.strip() for part in (parsed.summary, parsed.description) if part and part.strip()]
    text = "\n\n".join(dict.fromkeys(parts)) or f"{method.upper()} {path}"
    text = f"Deprecated. {text}" if parsed.deprecated else text
    return text if len(text) <= MAX_DESCRIPTION else f"{text[:MAX_DESCRIPTION]}…"


def _said(wrong: ValidationError) -> str:
    first = wrong.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg'].lower()}"


def _described(schema: Any, words: Any) -> Any:
    """`schema` with `words`, unless it has some already."""
    made = _dict(schema)
    return {**made, "description": words} if isinstance(words, str) and words and "description" not in made else schema


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
