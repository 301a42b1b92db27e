"""What is known after a login, and who keeps it."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from mcp.shared.auth import OAuthClientInformationFull, OAuthMetadata, OAuthToken, ProtectedResourceMetadata
from pydantic import BaseModel, ConfigDict


class Login(BaseModel):
    """The tokens for one upstream, and all that it takes to have them renewed. Nothing of it is ever shown."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    url: str
    """Of the upstream that they are for."""
    tokens: OAuthToken
    client: OAuthClientInformationFull
    server: OAuthMetadata | None = None
    resource: ProtectedResourceMetadata | None = None
    expires_at: float | None = None
    """When the access token ends, in seconds since the epoch, where the authorization server said so."""

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return [("url", self.url)]

    @property
    def token(self) -> str:
        """The access token."""
        return self.tokens.access_token

    @property
    def secrets(self) -> frozenset[str]:
        """What must not be shown, should anybody's words hold it."""
        held = (self.tokens.access_token, self.tokens.refresh_token, self.client.client_secret)
        return frozenset(secret for secret in held if secret)


class Keeper(Protocol):
    """Keeps the login of one upstream, for this process and others."""

    def stamp(self) -> object:
        """Something that is another whenever what is kept is; cheap."""
        ...

    async def load(self) -> Login | None:
        """What is kept for this upstream at this address.

        Raises:
            UnavailableError: It cannot be read, and why.

        """
        ...

    async def save(self, login: Login) -> None:
        """Keep `login` in place of any other; raises OSError."""
        ...

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Keep other processes from changing it meanwhile."""
        ...
