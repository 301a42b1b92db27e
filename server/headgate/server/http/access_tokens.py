"""Access tokens of an authorization server: JWTs that it signed, that are meant for us, and that are good right now."""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any, cast

import jwt
import orjson
from mcp.server.auth.provider import AccessToken

from headgate.server.http.signing_keys import SigningKeys
from headgate.server.settings.serve import OAuthSettings, TenantSettings

logger = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Those with a key of two halves: with any other, whoever can check a token could make one."""
LEEWAY_S = 30
"""How far the clocks of the two servers may be apart."""
_LONGEST = 16_384
"""Characters of a token."""


class SignedTokens:
    """The tokens of the authorization server of `[serve.oauth]`."""

    def __init__(self, oauth: OAuthSettings, keys: SigningKeys, tenants: Iterable[TenantSettings]) -> None:
        """Subjects that `tenants` name are these tenants; any other is one of its own."""
        self._oauth = oauth
        self._keys = keys
        self._tenants = {subject: tenant.name for tenant in tenants for subject in tenant.subjects}

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whom the token is of; `None` where it is not in order, or is of somebody who has no place here."""
        if token.count(".") != 2 or len(token) > _LONGEST:
            return None
        try:
            head = jwt.get_unverified_header(token)
            if head.get("alg") not in ALGORITHMS:
                return None
            key = await self._keys.find(head.get("kid"))
            claims = None if key is None else self._claims(token, key, str(head["alg"]))
        except jwt.PyJWTError as refused:
            logger.info("a token was refused: %s", type(refused).__name__)
            return None
        principal = None if claims is None else self._principal(claims)
        if claims is None or principal is None:
            return None
        expires_at = int(claims["exp"]) + LEEWAY_S
        return AccessToken(token="", client_id=principal, scopes=_scopes(claims), expires_at=expires_at)

    def _claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> Mapping[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._oauth.audience,
            issuer=self._oauth.issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud"]},
        )

    def _principal(self, claims: Mapping[str, Any]) -> str | None:
        """The tenant, or a name that is the same whenever the same client calls for the same subject."""
        subject, client = claims.get("sub"), claims.get("client_id") or claims.get("azp")
        if not isinstance(subject, str) or not subject:
            return None
        if subject in self._tenants:
            return self._tenants[subject]
        if self._oauth.allowed is None:
            return None
        names = orjson.dumps([self._oauth.issuer, str(client), subject])
        return f"oauth:{hashlib.sha256(names).hexdigest()[:32]}"


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    said = claims.get("scope", claims.get("scp", ()))
    words: object = said.split() if isinstance(said, str) else said
    return [str(word) for word in cast("list[object]", words)] if isinstance(words, list) else []
