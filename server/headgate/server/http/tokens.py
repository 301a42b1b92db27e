"""Bearer tokens of our own: made here, kept by their holders, known to us by their hashes only."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

from mcp.server.auth.provider import AccessToken

from headgate.server.settings.serve import TenantSettings

PREFIX = "hg_"
"""So that scanners for leaked secrets can tell what it is."""


def new_token() -> str:
    """A token that nobody can guess: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """What the settings hold in its stead. A token is random, so no salt or slow hash would add anything."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


class KnownTokens:
    """The tokens of the tenants."""

    def __init__(self, tenants: Iterable[TenantSettings], scopes: Iterable[str] = ()) -> None:
        """They are good for `scopes`, which the tokens of others have to show."""
        self._digests = [(digest, tenant.name) for tenant in tenants for digest in tenant.digests]
        self._scopes = list(scopes)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who shows this token. Each known one is compared, in constant time: how long it takes tells nothing."""
        shown = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = None
        for digest, tenant in self._digests:
            if hmac.compare_digest(digest, shown):
                found = tenant
        return None if found is None else AccessToken(token="", client_id=found, scopes=self._scopes)
