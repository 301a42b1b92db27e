"""Where an upstream is, as the operator wrote it down. Secrets in it are kept out of every repr."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from headgate.proxy.endpoints.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class StdioTarget:
    """An MCP server to start as a child process."""

    command: str
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Added to the inherited environment."""
    cwd: str | None = None
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """What else must not be shown, such as what was filled into `args` from the environment."""
    handshake: bool = False
    """Whether to speak the era of the handshake, though the server may know a newer one."""


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """What headgate is to an upstream's authorization server, where the operator says more than the upstream does."""

    grant: Literal["authorization_code", "client_credentials"] = "authorization_code"
    """Whether a person logs in, or headgate by itself."""
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    scope: str | None = None
    issuer: str | None = None
    """The authorization server that the client is registered with, and no other hears of it."""
    redirect_port: int = 0
    """Where a login is waited for; 0 takes any free port."""


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """An MCP server at a URL, over streamable HTTP or the legacy SSE transport."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    transport: Literal["streamable-http", "sse"] = "streamable-http"
    handshake: bool = False
    """Whether to speak the era of the handshake, though the server may know a newer one."""
    oauth: OAuthClient | None = None
    hidden: frozenset[str] = field(default=frozenset(), repr=False)
    """What of `url` must not be shown, such as a key that was filled in."""


@dataclass(frozen=True, slots=True)
class EndpointsTarget:
    """Plain HTTP endpoints below one address."""

    address: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    query: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """What stands in the query of every request, such as a key."""
    endpoints: tuple["Endpoint", ...] = ()
    """Those that are spelled out."""
    openapi: str | None = field(default=None, repr=False)
    """The file or the address of a document with more of them."""
    allow_private: bool = False
    """Whether names may stand for addresses of private networks."""
    hidden: frozenset[str] = field(default=frozenset(), repr=False)
    """Secrets in the address."""


Target = StdioTarget | HttpTarget
"""Where an MCP server is."""
