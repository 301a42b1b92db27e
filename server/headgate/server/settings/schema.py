"""headgate.toml as it may be written: which keys stand where, and of what type.

A field that is None was not written. This tree holds raw text: `${VAR}` is filled in later, so that what stands in the
environment never comes near a message of the validator.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from headgate.server.settings import values
from headgate.server.settings.lines import KeyPath

Duration = Annotated[float, BeforeValidator(values.duration)]
Size = Annotated[int, BeforeValidator(values.size)]
PerPeriod = Annotated[tuple[int, float], BeforeValidator(values.rate)]
Concurrency = Annotated[int, BeforeValidator(values.whole(1, 10_000))]


class Table(BaseModel):
    """A TOML table with known keys only. Its values are never shown."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [(None, key) for key in sorted(self.model_fields_set)]


class Headgate(Table):
    """`[headgate]`."""

    parallel: Annotated[bool | float | None, PlainValidator(values.parallel)] = None
    expose: Literal["all", "batch"] | None = None
    read_concurrency: Annotated[int, BeforeValidator(values.whole(1, 1_000))] | None = None
    max_calls: Annotated[int, BeforeValidator(values.whole(1, 10_000))] | None = None
    answer_within: Duration | None = None
    reply_limit: Size | None = None
    serialize: Literal["batch", "upstream", "resource"] | None = None
    event_loop: Literal["auto", "asyncio", "uvloop"] | None = None
    journal: str | None = None
    confirm_writes: bool | None = None
    journal_arguments: Literal["none", "hash", "full"] | None = None


class Rules(Table):
    """What can be said at every level: `[defaults]`, `[upstreams.X]`, `[upstreams.X.tools.Y]`."""

    timeout: Duration | None = None
    retries: Annotated[int, BeforeValidator(values.whole(0, 10))] | None = None
    result_limit: Size | None = None
    rate_limit: PerPeriod | None = None
    burst: Annotated[int, BeforeValidator(values.whole(1, values.FASTEST))] | None = None
    concurrency: Concurrency | None = None
    pin: Literal["flag", "strict", "off"] | None = None
    check_arguments: bool | None = None


class Tool(Rules):
    """`[upstreams.X.tools.Y]`."""

    kind: Literal["read", "write"] | None = Field(default=None, alias="class")
    resource: Annotated[str, BeforeValidator(values.resource)] | None = None
    idempotent: bool | None = None
    confirm: bool | None = None
    idempotency: dict[str, str] | None = None
    method: Annotated[str, BeforeValidator(values.method)] | None = None
    path: str | None = None
    query: list[str] | None = None
    headers: list[str] | None = None
    body: Annotated[str | list[str] | None, PlainValidator(values.body)] = None
    form: list[str] | None = None
    params: dict[str, Any] | None = None
    required: list[str] | None = None
    accept: str | None = None
    description: str | None = None


ENDPOINT_KEYS = ("method", "path", "query", "headers", "body", "form", "params", "required", "accept", "description")
"""What can be said of an endpoint, and of no other tool."""


class UpstreamOAuth(Table):
    """`oauth` of `[upstreams.X]`."""

    grant: Literal["authorization_code", "client_credentials"] | None = None
    client_id: str | None = None
    client_secret: str | None = None
    scope: str | None = None
    issuer: str | None = None
    redirect_port: Annotated[int, BeforeValidator(values.whole(1, 65_535))] | None = None


class Upstream(Rules):
    """`[upstreams.X]`."""

    command: str | None = None
    args: list[str] | None = None
    env: dict[str, str] | None = None
    cwd: str | None = None
    replicas: Annotated[int, BeforeValidator(values.whole(1, 64))] | None = None
    answer_limit: Size | None = None
    url: str | None = None
    headers: dict[str, str] | None = None
    transport: Literal["streamable-http", "sse"] | None = None
    oauth: UpstreamOAuth | None = None
    http: str | None = None
    query: dict[str, str] | None = None
    openapi: str | None = None
    allow_private: bool | None = None
    include: list[str] | None = None
    exclude: list[str] | None = None
    trust_annotations: bool | None = None
    protocol: Literal["2025-11-25"] | None = None
    prefix: bool | None = None
    queue: Annotated[int, BeforeValidator(values.whole(1, 1_000_000))] | None = None
    tools: dict[str, Tool] = Field(default_factory=dict[str, Tool])


class Recipe(Table):
    """`[recipes.NAME]`."""

    description: str | None = None
    params: dict[str, Any] | None = None
    calls: list[dict[str, Any]] | None = None


class PrefetchCall(Table):
    """A call of `[prefetch.NAME]`."""

    tool: str | None = None
    arguments: dict[str, Any] | None = None


class Prefetch(Table):
    """`[prefetch.NAME]`."""

    when: str | None = None
    within: Annotated[float, BeforeValidator(values.kept)] | None = None
    calls: list[PrefetchCall] | None = None


class Allowance(Table):
    """What a caller over HTTP may do."""

    tools: list[str] | None = None
    rate_limit: PerPeriod | None = None
    burst: Annotated[int, BeforeValidator(values.whole(1, values.FASTEST))] | None = None


class Tenant(Allowance):
    """`[tenants.NAME]`."""

    tokens: list[str] | None = None
    subjects: list[str] | None = None


class OAuth(Allowance):
    """`[serve.oauth]`."""

    issuer: str | None = None
    resource: str | None = None
    audience: str | None = None
    jwks: str | None = None
    scopes: list[str] | None = None
    tenants_only: bool | None = None


class Serve(Table):
    """`[serve]`."""

    hosts: list[str] | None = None
    origins: list[str] | None = None
    no_auth: bool | None = None
    body_limit: Size | None = None
    connections: Annotated[int, BeforeValidator(values.whole(1, 100_000))] | None = None
    drain: Duration | None = None
    oauth: OAuth | None = None


class File(Table):
    """The whole file."""

    headgate: Headgate = Field(default_factory=Headgate)
    defaults: Rules = Field(default_factory=Rules)
    upstreams: dict[str, Upstream] = Field(default_factory=dict[str, Upstream])
    recipes: dict[str, Recipe] = Field(default_factory=dict[str, Recipe])
    prefetch: dict[str, Prefetch] = Field(default_factory=dict[str, Prefetch])
    serve: Serve = Field(default_factory=Serve)
    tenants: dict[str, Tenant] = Field(default_factory=dict[str, Tenant])


def known_keys(path: KeyPath) -> tuple[str, ...]:
    """The keys that may stand in the table at `path`, as they are written."""
    fields = _level(path).model_fields
    return tuple(field.alias or name for name, field in fields.items())


def _level(path: KeyPath) -> type[Table]:
    for place, table in _TABLES:
        if len(place) == len(path) and all(part in {None, key} for part, key in zip(place, path, strict=True)):
            return table
    return File


_TABLES: tuple[tuple[tuple[str | None, ...], type[Table]], ...] = (
    (("headgate",), Headgate),
    (("defaults",), Rules),
    (("upstreams", None), Upstream),
    (("upstreams", None, "oauth"), UpstreamOAuth),
    (("upstreams", None, "tools", None), Tool),
    (("recipes", None), Recipe),
    (("prefetch", None), Prefetch),
    (("prefetch", None, "calls", None), PrefetchCall),
    (("serve",), Serve),
    (("serve", "oauth"), OAuth),
    (("tenants", None), Tenant),
)
"""Which table stands where; `None` is any name or place."""
