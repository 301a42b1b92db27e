"""`oauth` of an upstream: whom headgate is to its authorization server."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from headgate.proxy.target import OAuthClient
from headgate.server.settings.lines import KeyPath
from headgate.server.settings.problems import Findings
from headgate.server.settings.schema import UpstreamOAuth

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
_SHOWABLE = re.compile(r"[\x20-\x7e]+")
_HOME = frozenset(("localhost", "127.0.0.1", "::1"))
Text = Callable[[str, str], str]
"""The text of a key with its variables filled in."""


def oauth_client(path: KeyPath, table: UpstreamOAuth, text: Text, findings: Findings) -> OAuthClient:
    """The table at `path` as it is meant; what is wrong with it goes to `findings`."""

    def value(key: str, written: str | None, shape: re.Pattern[str], wrong: str) -> str | None:
        if written is None:
            return None
        filled = text(key, written)
        if not shape.fullmatch(filled) and not findings.blames((*path, key)):
            findings.problem((*path, key), wrong)
        return filled

    client_id = value("client_id", table.client_id, _SHOWABLE, "an id is ASCII text, and not empty")
    secret = value("client_secret", table.client_secret, _SHOWABLE, "a secret is ASCII text, and not empty")
    scope = value("scope", table.scope, _SCOPE, 'scopes stand in one text with blanks between: "read write"')
    issuer = None if table.issuer is None else text("issuer", table.issuer)
    grant = table.grant or ("authorization_code" if table.client_secret is None else "client_credentials")
    if issuer is not None and not _is_issuer(issuer) and not findings.blames((*path, "issuer")):
        findings.problem((*path, "issuer"), "write the address of the authorization server, with https://")
    if table.client_secret is not None and table.client_id is None:
        findings.problem((*path, "client_secret"), "a secret comes with the client_id that it belongs to")
    if grant == "client_credentials" and not (table.client_id and table.client_secret):
        findings.problem((*path, "grant"), "client credentials are a client_id and a client_secret; give both")
    if table.client_secret is not None and table.issuer is None:
        wrong = "say whose secret this is, so that nobody else is told it: issuer, the authorization server's address"
        findings.problem((*path, "client_secret"), wrong)
    return OAuthClient(grant, client_id, secret, scope, issuer, table.redirect_port or 0)


def _is_issuer(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    known = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HOME)
    return known and bool(parts.hostname) and not (parts.query or parts.fragment or "@" in parts.netloc)
