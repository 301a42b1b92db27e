"""What an endpoint takes, and the tool that it is offered as. Pure: no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Place = Literal["path", "query", "header", "cookie"]
Style = Literal["simple", "label", "matrix", "form", "spaceDelimited", "pipeDelimited", "deepObject", "json"]
"""How a list or an object is written there, in the words of OpenAPI; `json` is a value as JSON text."""
BodyKind = Literal["json", "form", "text", "bytes"]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")
READS = frozenset(("GET", "HEAD"))
ANY_ANSWER = "application/json, text/plain;q=0.9, */*;q=0.5"
"""What an endpoint is asked to answer with where nothing else is said."""
_REPEATABLE = frozenset(("GET", "HEAD", "PUT", "DELETE"))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument that is not part of the body."""

    argument: str
    """Its name among the tool's arguments."""
    name: str
    """Its name in the request."""
    place: Place
    style: Style = "simple"
    explode: bool = False
    """Whether the parts of a list or an object are written one by one."""


@dataclass(frozen=True, slots=True)
class Body:
    """What the request carries: one argument as it is, or an object of several."""

    kind: BodyKind
    argument: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    """Without `argument`: the arguments that are the members of an object, and how the members are called."""
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method and path of an HTTP API, as a tool."""

    name: str
    method: str
    path: str
    """Below the upstream's address; `{NAME}` is the path parameter of that name."""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})
    """JSON Schema of the arguments."""
    description: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What is sent for arguments that are not given."""
    accept: str = ANY_ANSWER

    @property
    def arguments(self) -> frozenset[str]:
        """The names of all arguments."""
        body = self.body
        members = () if body is None else (body.argument,) if body.argument else (name for name, _ in body.fields)
        return frozenset((*(parameter.argument for parameter in self.parameters), *members))

    @property
    def definition(self) -> dict[str, Any]:
        """The tool as MCP declares it. GET and HEAD are reads."""
        read = self.method in READS
        annotations: dict[str, Any] = {"readOnlyHint": read}
        if not read:
            annotations |= {"destructiveHint": self.method != "POST", "idempotentHint": self.method in _REPEATABLE}
        described = {"description": self.description} if self.description else {}
        return {"name": self.name, **described, "inputSchema": dict(self.schema), "annotations": annotations}
