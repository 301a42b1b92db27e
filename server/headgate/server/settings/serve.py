"""`[serve]` and `[tenants.NAME]`: who may call over HTTP, by which names, and how much of it there may be."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from headgate.server.settings.lines import KeyPath
from headgate.server.settings.problems import Findings
from headgate.server.settings.schema import Allowance, OAuth, Serve, Tenant
from headgate.tools.rules import Rate

_TENANT_NAME = re.compile(r"[A-Za-z0-9_-]{1,48}")
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


@dataclass(frozen=True, slots=True)
class Allowed:
    """What one caller may do."""

    tools: tuple[str, ...] = ()
    """Globs of offered names; empty means every tool."""
    rate: Rate | None = None
    """Of all its calls together."""


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """One tenant: how it is known, and what it may do."""

    name: str
    digests: tuple[bytes, ...] = ()
    """SHA-256 of each of its bearer tokens."""
    subjects: tuple[str, ...] = ()
    """Who it is to the authorization server of `[serve.oauth]`."""
    allowed: Allowed = Allowed()


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """The authorization server whose access tokens, JWTs, are accepted."""

    issuer: str
    resource: str
    """The URL of this server as its clients know it."""
    audience: str
    """What stands in a token that is meant for this server."""
    jwks: str | None = None
    """Where the keys are; `None` where the issuer's own metadata says so."""
    scopes: tuple[str, ...] = ()
    """What a token must be good for."""
    allowed: Allowed | None = Allowed()
    """What a subject may do that is no tenant's; `None` where there is no place for such a one."""


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How headgate is served over HTTP."""

    hosts: tuple[str, ...] = ()
    """Names by which clients reach it, beside the address that it is bound to; without a port, at any."""
    origins: tuple[str, ...] = ()
    """Web pages that may call it."""
    no_auth: bool = False
    """Serve whoever comes: on a loopback address only."""
    body_limit: int = 4_000_000
    """Bytes of one request."""
    connections: int = 512
    drain_s: float = 20.0
    """How long requests in flight may still take once the server is to stop."""
    oauth: OAuthSettings | None = None


def serve_settings(table: Serve, findings: Findings) -> ServeSettings:
    """`[serve]` with its defaults; what is wrong with it goes to `findings`."""
    plain = ServeSettings()
    for place, host in enumerate(table.hosts or ()):
        if not _HOST.fullmatch(host):
            wrong = 'write a host\'s name without http:// and path: "gate.example", or "gate.example:8443"'
            findings.problem(("serve", "hosts", place), wrong)
    for place, origin in enumerate(table.origins or ()):
        if not _is_origin(origin):
            findings.problem(
                ("serve", "origins", place), 'write an origin without a path, such as "https://app.example"'
            )
    return ServeSettings(
        hosts=tuple(table.hosts or ()),
        origins=tuple(table.origins or ()),
        no_auth=table.no_auth or plain.no_auth,
        body_limit=table.body_limit or plain.body_limit,
        connections=table.connections or plain.connections,
        drain_s=table.drain or plain.drain_s,
        oauth=None if table.oauth is None else _oauth(table.oauth, findings),
    )


def tenant_settings(tables: Mapping[str, Tenant], serve: Serve, findings: Findings) -> dict[str, TenantSettings]:
    """The tenants by name; what is wrong with one goes to `findings`."""
    taken: dict[str, str] = {}
    tenants = {name: _tenant(("tenants", name), table, findings) for name, table in tables.items()}
    for name, table in tables.items():
        for key in ("tokens", "subjects"):
            _check_own(("tenants", name, key), getattr(table, key) or (), taken, findings)
        if table.subjects and serve.oauth is None and not findings.blames_in(("serve", "oauth")):
            findings.problem(("tenants", name, "subjects"), "subjects come with the tokens of a [serve.oauth] table")
    if serve.no_auth and (tables or serve.oauth is not None):
        wrong = "callers show tokens ([tenants] or [serve.oauth] says which), so there is auth: take this out, or them"
        findings.problem(("serve", "no_auth"), wrong)
    return tenants


def _tenant(path: KeyPath, table: Tenant, findings: Findings) -> TenantSettings:
    name = str(path[-1])
    if not _TENANT_NAME.fullmatch(name):
        findings.problem(path, "a tenant's name is 1 to 48 letters, digits, hyphens and underscores")
    if not (table.tokens or table.subjects or findings.blames_in((*path, "tokens"))):
        findings.problem(path, "nobody can be this tenant: 'headgate token' makes a token and the line for it here")
    digests = [_DIGEST.fullmatch(token.lower()) for token in table.tokens or ()]
    for place, digest in enumerate(digests):
        if digest is None:
            wrong = "only the hash of a token stands here, sha256: and 64 hex digits: 'headgate token' makes both"
            findings.problem((*path, "tokens", place), wrong)
    return TenantSettings(
        name,
        tuple(bytes.fromhex(digest[1]) for digest in digests if digest is not None),
        tuple(table.subjects or ()),
        _allowed(path, table, findings),
    )


def _check_own(path: KeyPath, written: Sequence[str], taken: dict[str, str], findings: Findings) -> None:
    """Tell of what another tenant is known by already."""
    for place, one in enumerate(written):
        owner = taken.setdefault(one.lower() if path[-1] == "tokens" else f"subject {one}", str(path[1]))
        if owner != path[1]:
            findings.problem((*path, place), f"this is tenant {owner}'s already; each has its own")


def _oauth(table: OAuth, findings: Findings) -> OAuthSettings | None:
    path: KeyPath = ("serve", "oauth")
    for key, what in {
        "issuer": 'the authorization server, such as issuer = "https://login.example"',
        "resource": 'this server as its clients know it, such as resource = "https://gate.example/mcp"',
        "jwks": "where the authorization server's keys are",
    }.items():
        url = getattr(table, key)
        if url is None and key != "jwks" and not findings.blames((*path, key)):
            findings.problem((*path, key), f"name {what}")
        elif url is not None and not _is_safe_url(url):
            findings.problem((*path, key), f"name {what}: a URL that begins with https:// (http:// on loopback only)")
    if table.issuer is None or table.resource is None:
        return None
    return OAuthSettings(
        issuer=table.issuer,
        resource=table.resource,
        audience=table.audience or table.resource,
        jwks=table.jwks,
        scopes=tuple(table.scopes or ()),
        allowed=None if table.tenants_only else _allowed(path, table, findings),
    )


def _allowed(path: KeyPath, table: Allowance, findings: Findings) -> Allowed:
    if table.burst is not None and table.rate_limit is None and not findings.blames((*path, "rate_limit")):
        findings.problem((*path, "burst"), 'burst needs a rate_limit beside it, such as rate_limit = "20/s"')
    if table.rate_limit is None:
        return Allowed(tuple(table.tools or ()))
    count, period_s = table.rate_limit
    return Allowed(tuple(table.tools or ()), Rate(count, period_s, table.burst or count))


def _is_origin(text: str) -> bool:
    scheme, _, host = text.partition("://")
    return scheme in {"http", "https"} and _HOST.fullmatch(host) is not None


def _is_safe_url(text: str) -> bool:
    if any(char.isspace() or not char.isprintable() for char in text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    return secure and bool(parts.hostname) and not parts.fragment
