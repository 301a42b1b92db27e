"""Who a request is from, by the token that it shows; without one that we know there is no service."""

from typing import Any, Protocol

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.context import ServerRequestContext
from pydantic import AnyHttpUrl
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp

from headgate.server.callers import Caller, Callers
from headgate.server.gate import Gate
from headgate.server.http.access_tokens import SignedTokens
from headgate.server.http.signing_keys import SigningKeys
from headgate.server.http.tokens import KnownTokens


class Verifier(Protocol):
    """Knows some tokens."""

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whom the token is of; `None` for one that it does not know."""
        ...


class Guard:
    """Lets in whoever shows a token, and says on whose behalf a request is then made."""

    def __init__(self, gate: Gate) -> None:
        """The tenants' own tokens, and those of the authorization server where there is one."""
        self._gate = gate
        self._oauth = gate.settings.serve.oauth
        self._keys = None if self._oauth is None else SigningKeys(self._oauth)
        self._tenants = gate.settings.tenants
        self._callers = Callers(self._tenants)
        self._verifiers = self._made()

    def _made(self) -> list[Verifier]:
        tenants = self._tenants.values()
        scopes = () if self._oauth is None else self._oauth.scopes
        made: list[Verifier] = [KnownTokens(tenants, scopes)]
        if self._oauth is not None and self._keys is not None:
            made.append(SignedTokens(self._oauth, self._keys, tenants))
        return made

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whom the token is of. Tenants may come and go while we serve: a token that is taken back is good no more."""
        if self._gate.settings.tenants is not self._tenants:
            self._tenants = self._gate.settings.tenants
            self._callers.become(self._tenants)
            self._verifiers = self._made()
        for verifier in self._verifiers:
            found = await verifier.verify_token(token)
            if found is not None:
                return found
        return None

    def in_front_of(self, app: ASGIApp) -> ASGIApp:
        """Answers 401 to whoever shows no token that we know, before anything else of the request is read."""
        url = None if self._oauth is None else build_resource_metadata_url(AnyHttpUrl(self._oauth.resource))
        scopes = [] if self._oauth is None else [*self._oauth.scopes]
        known = AuthContextMiddleware(RequireAuthMiddleware(app, scopes, url))
        return AuthenticationMiddleware(known, BearerAuthBackend(self))

    def routes(self) -> list[Route]:
        """Where clients find out which authorization server gives tokens for this one."""
        if self._oauth is None:
            return []
        resource, issuer, scopes = self._oauth.resource, self._oauth.issuer, [*self._oauth.scopes]
        return create_protected_resource_routes(AnyHttpUrl(resource), [AnyHttpUrl(issuer)], scopes or None, "headgate")

    def caller_of(self, ctx: ServerRequestContext[Any, Any]) -> Caller:
        """On whose behalf the request is made.

        Raises:
            PermissionError: Nobody has checked a token of it. No request gets as far as that.

        """
        user = None if ctx.request is None else ctx.request.scope.get("user")
        if not isinstance(user, AuthenticatedUser):
            raise PermissionError("a request without a token that was checked")
        principal = user.access_token.client_id
        tenant = self._callers.tenant(principal)
        if tenant is not None:
            return tenant
        if self._oauth is None or self._oauth.allowed is None:
            raise PermissionError("a request of a tenant that is gone")
        return self._callers.other(principal, self._oauth.allowed)
