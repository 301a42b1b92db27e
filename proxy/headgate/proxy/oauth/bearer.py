"""The token of one upstream: which one to send, and another once it is not taken any more."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

import anyio

from headgate.proxy.connection import CallFailedError, UnavailableError
from headgate.proxy.oauth.login import Keeper, Login
from headgate.proxy.target import HttpTarget, OAuthClient

_EARLY_S = 10.0
"""So long before its end a token is renewed."""
_LOOK_S = 1.0
"""How often to look whether somebody has logged in or out."""
_AGAIN_S = 300.0
"""After so long without a token to be had it is tried once more, should nobody log in."""
_RENEWAL_S = 30.0
_PARTING_S = 3.0
"""How long a renewal that is under way may hold up the end of a session: what it brings is worth keeping."""


class NoAccessError(CallFailedError):
    """The upstream wants a token, and there is none to be had without somebody's doing."""

    def __init__(self, words: str) -> None:
        """`words` say what is to be done, without secrets."""
        super().__init__("UPSTREAM_UNAVAILABLE", words, sent=False)


class Bearer:
    """Use it within one event loop. All sessions with the upstream share one."""

    def __init__(self, upstream: str, target: HttpTarget, keeper: Keeper) -> None:
        """`keeper` keeps what comes of a login; client credentials need none."""
        self._upstream = upstream
        self._target = target
        self._keeper = keeper
        known = target.oauth
        self._credentials = known if known is not None and known.grant == "client_credentials" else None
        """With which headgate gets tokens by itself."""
        self._login: Login | None = None
        self._stamp: object = None
        self._look_at = 0.0
        self._no_access: NoAccessError | None = None
        self._no_access_until = 0.0
        self._renewal: asyncio.Task[str] | None = None

    @property
    def secrets(self) -> frozenset[str]:
        """What must not be shown, as far as it is known by now."""
        held = set[str]() if self._login is None else set(self._login.secrets)
        if self._target.oauth is not None and self._target.oauth.client_secret is not None:
            held.add(self._target.oauth.client_secret)
        return frozenset(held)

    async def token(self) -> str | None:
        """What to send; `None` before the upstream has asked for one.

        Raises:
            CallFailedError: There is none to be had; NoAccessError where it takes a person to change that.

        """
        await self._look()
        if self._no_access is not None:
            if asyncio.get_running_loop().time() < self._no_access_until:
                raise self._no_access.copy()
            self._no_access = None
        login = self._login
        if login is None:
            return None
        left_s = 1e9 if login.expires_at is None else login.expires_at - time.time()
        if left_s > _EARLY_S or not (self._credentials or login.tokens.refresh_token):
            return login.token
        try:
            return await self.another(login.token, {})
        except CallFailedError as failed:
            if left_s > 0 and failed.transient:
                return login.token
            raise

    def is_asked(self, challenge: Mapping[str, str]) -> bool:
        """Whether a 401 with these headers is about the token."""
        asked = challenge.get("www-authenticate", "").lower().startswith("bearer")
        return asked or self._login is not None or self._target.oauth is not None

    async def another(self, refused: str | None, challenge: Mapping[str, str]) -> str:
        """A token to send instead of `refused`. However many ask, one is fetched; a caller that leaves stops nothing.

        Raises:
            CallFailedError: There is none to be had; NoAccessError where it takes a person to change that.

        """
        if self._login is not None and self._login.token != refused:
            return self._login.token
        if self._no_access is not None:
            raise self._no_access.copy()
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().create_task(self._renewed(refused, dict(challenge)))
            self._renewal.add_done_callback(self._over)
        try:
            return await asyncio.shield(self._renewal)
        except CallFailedError as failed:
            raise failed.copy() from None

    def rejected(self) -> NoAccessError:
        """What is to be told when a token is not taken that was fetched a moment ago."""
        return self._without_access(
            "the upstream takes no token of those that its authorization server gives out (HTTP 401)"
            if self._credentials
            else self._needs_login()
        )

    async def part(self) -> None:
        """Let a renewal that is under way come to its end, which is not waited for long."""
        renewal = self._renewal
        if renewal is None:
            return
        with anyio.move_on_after(_PARTING_S, shield=True):
            await asyncio.wait((renewal,))
        renewal.cancel()

    async def _look(self) -> None:
        """Notice what others have done to what is kept."""
        now = asyncio.get_running_loop().time()
        if self._credentials or now < self._look_at:
            return
        self._look_at = now + _LOOK_S
        stamp = self._keeper.stamp()
        if stamp != self._stamp:
            self._stamp, self._no_access = stamp, None
            self._login = await self._kept()

    async def _kept(self) -> Login | None:
        try:
            return await self._keeper.load()
        except UnavailableError as unreadable:
            raise self._without_access(str(unreadable)) from None

    async def _renewed(self, refused: str | None, challenge: Mapping[str, str]) -> str:
        from headgate.proxy.oauth.exchange import NotGrantedError  # noqa: PLC0415 - slow to import, and seldom wanted

        try:
            async with asyncio.timeout(_RENEWAL_S):
                known = self._credentials
                login = await (self._refreshed(refused) if known is None else self._granted(known, challenge))
        except NotGrantedError as refusal:
            words = str(refusal) if self._credentials else self._needs_login()
            raise self._without_access(words) from None
        except TimeoutError:
            words = "the authorization server does not answer in time"
            raise CallFailedError("UPSTREAM_UNAVAILABLE", words, sent=False, transient=True) from None
        except OSError as error:
            words = f"its login cannot be renewed ({error.strerror or type(error).__name__})"
            raise CallFailedError("UPSTREAM_UNAVAILABLE", words, sent=False) from None
        self._login = login
        return login.token

    async def _granted(self, credentials: OAuthClient, challenge: Mapping[str, str]) -> Login:
        from headgate.proxy.oauth.exchange import granted  # noqa: PLC0415

        return await granted(self._target, credentials, challenge)

    async def _refreshed(self, refused: str | None) -> Login:
        """The login as others have renewed it meanwhile, or renewed by us: a refresh token may be good for one use."""
        from headgate.proxy.oauth.exchange import renewed  # noqa: PLC0415

        if self._keeper.stamp() is None:
            raise self._without_access(self._needs_login())
        async with self._keeper.alone():
            login = await self._kept()
            self._stamp = self._keeper.stamp()
            if login is None or (login.token == refused and not login.tokens.refresh_token):
                raise self._without_access(self._needs_login())
            if login.token == refused:
                login = await renewed(login, self._target)
                # A folder that cannot be written to: it lasts as long as this process then.
                with suppress(OSError):
                    await self._keeper.save(login)
                self._stamp = self._keeper.stamp()
        return login

    def _needs_login(self) -> str:
        return f"needs a login: run headgate auth login {self._upstream}"

    def _without_access(self, words: str) -> NoAccessError:
        self._no_access = NoAccessError(words)
        self._no_access_until = asyncio.get_running_loop().time() + _AGAIN_S
        return NoAccessError(words)

    def _over(self, renewal: asyncio.Task[str]) -> None:
        self._renewal = None
        if not renewal.cancelled():
            renewal.exception()  # nobody may be left who waits for it
