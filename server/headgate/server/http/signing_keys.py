"""The keys that an authorization server signs its tokens with, fetched when they are needed and kept for a while."""

import asyncio
import logging
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2 as httpx
import jwt
import orjson

from headgate.server.settings.serve import OAuthSettings

logger = logging.getLogger(__name__)

KEPT_S = 3600.0
"""After that, keys are fetched again: one that was taken back must not stay good for ever."""
SOONEST_S = 30.0
"""Between two fetches, however many tokens come with keys that nobody knows."""
_FETCH_S = 10.0
_LARGEST = 1_000_000
"""Bytes of a set of keys."""


class SigningKeys:
    """The keys of one authorization server, by their ids."""

    def __init__(self, oauth: OAuthSettings) -> None:
        """Nothing is fetched before the first token comes."""
        self._oauth = oauth
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key of that id. Where it is not known, the server may have new ones."""
        if self._is_due(key_id):
            async with self._fetching:
                if self._is_due(key_id):
                    await self._fetch()
        return self._keys.get(key_id)

    def _is_due(self, key_id: str | None) -> bool:
        now = asyncio.get_running_loop().time()
        if self._asked_at is not None and now - self._asked_at < SOONEST_S:
            return False
        return key_id not in self._keys or self._fetched_at is None or now - self._fetched_at > KEPT_S

    async def _fetch(self) -> None:
        """Get the keys anew; where that fails, those that we have stay in use for as long as it does."""
        self._asked_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(_FETCH_S), httpx.AsyncClient(timeout=_FETCH_S) as client:
                found = jwt.PyJWKSet.from_dict(await _json(client, self._oauth.jwks or await self._address(client)))
        except (httpx.HTTPError, jwt.PyJWTError, TimeoutError, ValueError) as failed:
            logger.warning("the keys of %s cannot be had: %s", self._oauth.issuer, type(failed).__name__)
            return
        self._keys = {key.key_id: key for key in found.keys}
        self._fetched_at = self._asked_at

    async def _address(self, client: httpx.AsyncClient) -> str:
        """Where the issuer says that its keys are: in its OAuth metadata (RFC 8414), else in those of OpenID."""
        issuer = urlsplit(self._oauth.issuer)
        path, base = issuer.path.rstrip("/"), f"{issuer.scheme}://{issuer.netloc}"
        for place in (
            f"{base}/.well-known/oauth-authorization-server{path}",
            f"{base}{path}/.well-known/openid-configuration",
        ):
            try:
                said = await _json(client, place)
            except (httpx.HTTPStatusError, ValueError):
                continue
            if said.get("issuer") == self._oauth.issuer and isinstance(said.get("jwks_uri"), str):
                return str(said["jwks_uri"])
        raise ValueError("no metadata")


async def _json(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with client.stream("GET", url, headers={"accept": "application/json"}) as response:
        response.raise_for_status()
        content = b""
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > _LARGEST:
                raise ValueError("too large")
    found = orjson.loads(content)
    if not isinstance(found, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - the caller's one kind of fault
    return cast("dict[str, Any]", found)
