"""The tools of an upstream of plain HTTP endpoints, as they are spelled out in the file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from headgate.proxy.endpoints.address import BadAddressError, slots_of
from headgate.proxy.endpoints.endpoint import ANY_ANSWER, Body, Endpoint, Parameter, Place, Style
from headgate.proxy.endpoints.naming import argument_name
from headgate.proxy.endpoints.request import may_be_argument
from headgate.server.settings.lines import KeyPath
from headgate.server.settings.params import faults_of
from headgate.server.settings.problems import Findings
from headgate.server.settings.schema import ENDPOINT_KEYS, Tool, Upstream
from headgate.server.settings.values import shown

_BODILESS = ("GET", "HEAD")
_FORM = "application/x-www-form-urlencoded"


def read_endpoints(path: KeyPath, upstream: Upstream, findings: Findings) -> tuple[Endpoint, ...]:
    """The endpoints in the table `tools` at `path`; one in which something is wrong is told of and left out."""
    if not upstream.tools and upstream.openapi is None and not findings.blames_in(path[:2]):
        findings.problem(path[:2], "this upstream has no tools: name a document with openapi, or spell out its tools")
    found = (
        _EndpointReader((*path, name), name, tool, upstream, findings).read() for name, tool in upstream.tools.items()
    )
    return tuple(endpoint for endpoint in found if endpoint is not None)


@dataclass(frozen=True, slots=True)
class _EndpointReader:
    path: KeyPath
    name: str
    tool: Tool
    upstream: Upstream
    findings: Findings

    def read(self) -> Endpoint | None:
        tool = self.tool
        if tool.path is None:
            self._check_without_path()
            return None
        slots = self._slots(tool.path)
        method = tool.method or "GET"
        names = {"path": slots, "query": tool.query, "headers": tool.headers, **self._members(method)}
        self._check_names(names)
        self._check_taken("query", tool.query, self.upstream.query)
        self._check_headers()
        if tool.accept is not None and not (tool.accept.isascii() and tool.accept.isprintable()):
            self._problem("accept", "a header holds ASCII text without line breaks; this holds something else")
        schemas = self._schemas([name for listed in names.values() for name in listed or ()])
        if self.findings.blames_in(self.path):
            return None
        return Endpoint(
            self.name,
            method,
            tool.path,
            self._parameters(slots, schemas),
            self._body(),
            self._schema(schemas, slots),
            tool.description or f"{method} {tool.path}",
            {argument_name(name): schema["default"] for name, schema in schemas.items() if "default" in schema},
            tool.accept or ANY_ANSWER,
        )

    def _check_without_path(self) -> None:
        written = [key for key in ENDPOINT_KEYS if key in self.tool.model_fields_set]
        if self.findings.blames_in(self.path):
            return
        if written:
            self._problem(written[0], 'this needs a path beside it, such as path = "/v1/weather/{city}"')
        elif self.upstream.openapi is None and not self.findings.blames((*self.path[:2], "openapi")):
            self.findings.problem(self.path, 'this tool has no path: write one such as path = "/v1/weather/{city}"')

    def _slots(self, path: str) -> tuple[str, ...]:
        try:
            return slots_of(path)
        except BadAddressError as bad:
            self._problem("path", str(bad))
            return ()

    def _members(self, method: str) -> dict[str, list[str] | None]:
        """The names of what the body is made of, by the key that has them."""
        tool = self.tool
        if tool.body is not None and tool.form is not None:
            self._problem("form", "body is given too; a request has one of them")
        for key in ("body", "form"):
            if method in _BODILESS and getattr(tool, key) is not None:
                self._problem(key, f"a {method} carries nothing: use query, or another method")
        return {"body": [tool.body] if isinstance(tool.body, str) else tool.body, "form": tool.form}

    def _check_names(self, names: Mapping[str, Iterable[str] | None]) -> None:
        seen: dict[str, str] = {}
        for key, listed in names.items():
            for name in listed or ():
                argument = argument_name(name)
                if not name:
                    self._problem(key, "a name is empty")
                elif argument in seen:
                    where = "twice" if seen[argument] == key else f"in {seen[argument]} too"
                    self._problem(key, f"{shown(name)} stands {where}; an argument has one place")
                seen.setdefault(argument, key)

    def _check_taken(self, key: str, names: Iterable[str] | None, fixed: Mapping[str, str] | None) -> None:
        taken = {name.lower() for name in fixed or ()}
        for name in names or ():
            if name.lower() in taken:
                self._problem(key, f"{shown(name)} is set for the whole upstream; a call cannot set it")

    def _check_headers(self) -> None:
        self._check_taken("headers", self.tool.headers, self.upstream.headers)
        for name in self.tool.headers or ():
            if name and not may_be_argument(name):
                self._problem("headers", f"{shown(name)} is no header that a call may set: put it into the upstream's")

    def _schemas(self, names: list[str]) -> dict[str, dict[str, Any]]:
        """A JSON Schema for each argument: what `params` has for it, else that of a text."""
        params = self.tool.params or {}
        for name, schema in params.items():
            self._check_known("params", name, names, (name,))
            for place, wrong in faults_of(name, schema):
                self.findings.problem((*self.path, "params", name, *place), wrong)
        for place, name in enumerate(self.tool.required or ()):
            self._check_known("required", name, names, (place,))
        return {name: params.get(name, {"type": "string"}) for name in names}

    def _check_known(self, key: str, name: str, names: list[str], place: KeyPath) -> None:
        if name in names or any(self.findings.blames((*self.path, other)) for other in ENDPOINT_KEYS):
            return
        near = get_close_matches(name, names, n=1, cutoff=0.6)
        there = f'did you mean "{near[0]}"?' if near else "name it in path, query, headers, body or form"
        self.findings.problem((*self.path, key, *place), f"{shown(name)} is no argument of this tool; {there}")

    def _parameters(self, slots: Iterable[str], schemas: Mapping[str, Mapping[str, Any]]) -> tuple[Parameter, ...]:
        def of(names: Iterable[str] | None, place: Place, style: Style) -> list[Parameter]:
            return [Parameter(argument_name(name), name, place, style) for name in names or ()]

        query = [
            # The members of an object would be names that the model chooses: it is one value, as JSON.
            Parameter(
                argument_name(name), name, "query", "json" if _may_be_object(schemas[name]) else "form", explode=True
            )
            for name in self.tool.query or ()
        ]
        return (*of(slots, "path", "simple"), *query, *of(self.tool.headers, "header", "simple"))

    def _body(self) -> Body | None:
        tool = self.tool
        if tool.form is not None:
            return Body("form", None, tuple((argument_name(name), name) for name in tool.form), _FORM)
        if isinstance(tool.body, str):
            return Body("json", argument_name(tool.body))
        if tool.body is not None:
            return Body("json", None, tuple((argument_name(name), name) for name in tool.body))
        return None

    def _schema(self, schemas: Mapping[str, dict[str, Any]], slots: Iterable[str]) -> dict[str, Any]:
        wanted = {*slots, *(self.tool.required or ())}
        required = [
            argument_name(name) for name, schema in schemas.items() if name in wanted and "default" not in schema
        ]
        return {
            "type": "object",
            "properties": {argument_name(name): schema for name, schema in schemas.items()},
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }

    def _problem(self, key: str, message: str) -> None:
        self.findings.problem((*self.path, key), message)


def _may_be_object(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type", "object")
    return "object" in (kinds if isinstance(kinds, list) else [kinds])
