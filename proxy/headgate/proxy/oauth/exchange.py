"""Conversations with an authorization server. What is asked there is the SDK's to say; this sends it, within bounds.

Whom to ask is the upstream's to say, so it may name anybody: only https is spoken, except with the upstream's own host
or between servers of this machine. No answer's text is repeated: it may hold what was sent.
"""

import logging
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

import httpx2 as httpx
from mcp.client.auth import OAuthClientProvider, OAuthFlowError, OAuthRegistrationError, OAuthTokenError
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types import LATEST_PROTOCOL_VERSION
from pydantic import AnyUrl

from headgate.proxy.connection import CallFailedError
from headgate.proxy.http import system_trust
from headgate.proxy.http_body import ENCODINGS, whole_body
from headgate.proxy.http_failure import broken
from headgate.proxy.messages import decoded
from headgate.proxy.oauth.login import Login
from headgate.proxy.target import HttpTarget, OAuthClient
from headgate.tools.result import presentable

ANSWER_S = 10.0
"""How long an authorization server may take over one answer."""
_MAX_ANSWER = 256 * 1024
_MAX_WORDS = 200
_LONG_PAST = 1.0
_NOT_GRANTED = frozenset((HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
_LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost"))
_ours: ContextVar[bool] = ContextVar("ours", default=False)


class NotGrantedError(Exception):
    """There is no token to be had, and asking again would not help. Its text is a sentence without secrets."""


async def renewed(login: Login, target: HttpTarget) -> Login:
    """`login` with new tokens for its refresh token.

    Raises:
        NotGrantedError: The authorization server no longer takes the refresh token.
        CallFailedError: There is no saying, for now.

    """
    provider = OAuthClientProvider(target.url, _metadata(None, None), _Storage(login.tokens, login.client))
    provider.context.oauth_metadata = login.server
    provider.context.protected_resource_metadata = login.resource
    provider.context.token_expiry_time = _LONG_PAST
    talk = await _carried_out(provider, target, None)
    if provider.context.current_tokens is None:
        if talk.status in _NOT_GRANTED:
            raise NotGrantedError(f"the token is not renewed any more ({talk.refusal()})")
        raise CallFailedError("UPSTREAM_UNAVAILABLE", f"no new token: {talk.refusal()}", sent=False, transient=True)
    return _login_of(provider, target)


async def granted(target: HttpTarget, known: OAuthClient, challenge: Mapping[str, str]) -> Login:
    """Tokens for the client's own credentials; `challenge` are the headers of the upstream's 401.

    Raises:
        NotGrantedError: The authorization server does not take them, or is not the one that they are for.
        CallFailedError: There is no saying, for now.

    """
    provider = ClientCredentialsOAuthProvider(
        target.url, _Storage(), known.client_id or "", known.client_secret or "", scope=known.scope, issuer=known.issuer
    )
    await _carried_out(provider, target, _with_scope(challenge, known.scope))
    return _login_of(provider, target)


async def authorized(
    target: HttpTarget,
    challenge: Mapping[str, str],
    redirect_uri: str,
    show: Callable[[str], None],
    answer: Callable[[], Awaitable[AuthorizationCodeResult]],
) -> Login:
    """Tokens that a person lets headgate have: `show` takes the address to go to, `answer` waits for what comes of it.

    Raises:
        NotGrantedError: There are none, and why.
        CallFailedError: There is no saying, for now.

    """
    known = target.oauth or OAuthClient()

    async def lead(url: str) -> None:
        _vet(httpx.URL(url), target)
        show(url)

    storage = _Storage(client=_registered(known, redirect_uri), only_that=known.client_id is not None)
    provider = OAuthClientProvider(target.url, _metadata(redirect_uri, known), storage, lead, answer)
    await _carried_out(provider, target, _with_scope(challenge, known.scope))
    return _login_of(provider, target)


@dataclass(slots=True)
class _Storage:
    """What the SDK takes for its storage."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None
    only_that: bool = False
    """Whether no other client will do."""

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        if self.only_that:
            raise NotGrantedError("the upstream belongs to another authorization server than the issuer in the config")
        self.client = client_info


@dataclass(slots=True)
class _Talk:
    """One conversation, and how the latest answer in it was."""

    client: httpx.AsyncClient
    target: HttpTarget
    host: str = ""
    status: int = 0
    code: str = ""

    async def fetch(self, request: httpx.Request) -> httpx.Response:
        """The response, read."""
        _vet(request.url, self.target)
        self.host, self.status, self.code = presentable(request.url.host), 0, ""
        request.headers["accept-encoding"] = ENCODINGS
        try:
            response = await self.client.send(request, stream=True)
            try:
                body = await whole_body(response, _MAX_ANSWER)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise _unsent(broken(error, request.url)) from None
        except CallFailedError as failed:
            raise _unsent(failed) from None
        self.status, self.code = response.status_code, _code_in(body) if response.is_error else ""
        kept = [(name, value) for name, value in response.headers.multi_items() if not name.startswith("content-")]
        read = httpx.Response(response.status_code, headers=kept, content=body, request=request)
        read.next_request = response.next_request
        return read

    def refusal(self) -> str:
        """Who said no, and how, in our own words."""
        how = f"HTTP {self.status}" if not self.code else f"HTTP {self.status}, {self.code}"
        return f"{self.host} answered with {how}" if self.status else f"{self.host} did not answer"


async def _carried_out(provider: OAuthClientProvider, target: HttpTarget, challenge: Mapping[str, str] | None) -> _Talk:
    """Have the provider do all that it does about a request that meets `challenge`, but for the request itself."""
    probe = httpx.Request("POST", target.url, headers={MCP_PROTOCOL_VERSION_HEADER: LATEST_PROTOCOL_VERSION})
    transport = httpx.AsyncHTTPTransport(system_trust())
    async with httpx.AsyncClient(transport=transport, timeout=ANSWER_S) as client:
        talk = _Talk(client, target)
        with _in_our_words(talk):
            async with aclosing(provider.async_auth_flow(probe)) as flow:
                request = await anext(flow)
                while request is not probe or challenge is not None:
                    if request is probe:
                        response, challenge = httpx.Response(401, headers=challenge, request=probe), None
                    else:
                        response = await talk.fetch(request)
                    request = await flow.asend(response)
    return talk


@contextmanager
def _in_our_words(talk: _Talk) -> Generator[None]:
    """What the SDK says of a failure, and logs of it, may hold codes, states and tokens."""
    logger = logging.getLogger("mcp.client.auth.oauth2")
    if _unless_ours not in logger.filters:
        logger.addFilter(_unless_ours)
    token = _ours.set(True)
    try:
        yield
    except (OAuthTokenError, OAuthRegistrationError) as refused:
        what = "no token" if isinstance(refused, OAuthTokenError) else "headgate cannot register as a client"
        if talk.status and (talk.status < HTTPStatus.INTERNAL_SERVER_ERROR and talk.status != 429):
            raise NotGrantedError(f"{what}: {talk.refusal()}") from None
        words = f"{what}: {talk.refusal()}"
        raise CallFailedError("UPSTREAM_UNAVAILABLE", words, sent=False, transient=True) from None
    except OAuthFlowError as wrong:
        words = "the answer belongs to another login" if "State" in str(wrong) else presentable(str(wrong))
        raise NotGrantedError(words[:_MAX_WORDS]) from None
    except (ValueError, TypeError, AttributeError) as odd:  # pydantic's own errors are among them
        raise NotGrantedError(f"its answers make no sense ({type(odd).__name__})") from None
    finally:
        _ours.reset(token)


def _unsent(failed: CallFailedError) -> CallFailedError:
    """A failure here as one of the call that needs the token: the upstream has seen nothing of that."""
    words = f"no token: {failed}"
    return CallFailedError("UPSTREAM_UNAVAILABLE", words, sent=False, transient=failed.transient)


def _unless_ours(_record: logging.LogRecord) -> bool:
    return not _ours.get()


def _vet(url: httpx.URL, target: HttpTarget) -> None:
    own = httpx.URL(target.url)
    among_us = {own.host, url.host} <= _LOOPBACK
    if url.scheme == "https" or (url.scheme == own.scheme == "http" and (url.host == own.host or among_us)):
        return
    where = presentable(f"{url.scheme}://{url.host}")[:_MAX_WORDS]
    raise NotGrantedError(f"the upstream leads to {where} for its tokens: that is not https, and not followed")


def _metadata(redirect_uri: str | None, known: OAuthClient | None) -> OAuthClientMetadata:
    return OAuthClientMetadata(
        client_name="headgate",
        redirect_uris=None if redirect_uri is None else [AnyUrl(redirect_uri)],
        token_endpoint_auth_method="none",  # noqa: S106 - the name of a method
        scope=None if known is None else known.scope,
    )


def _registered(known: OAuthClient, redirect_uri: str) -> OAuthClientInformationFull | None:
    """The client that the operator has registered beforehand."""
    if known.client_id is None:
        return None
    method: Literal["none", "client_secret_post"] = "none" if known.client_secret is None else "client_secret_post"
    return OAuthClientInformationFull(
        client_id=known.client_id,
        client_secret=known.client_secret,
        redirect_uris=[AnyUrl(redirect_uri)],
        token_endpoint_auth_method=method,
        issuer=known.issuer,
    )


def _with_scope(challenge: Mapping[str, str], scope: str | None) -> dict[str, str]:
    """The challenge, with the operator's `scope` in place of the upstream's."""
    said = challenge.get("www-authenticate", "Bearer")
    if scope is not None:
        # The SDK takes the first.
        kind, _, rest = said.partition(" ")
        said = f'{kind} scope="{scope}"' + (f", {rest}" if rest else "")
    return {"www-authenticate": said}


def _login_of(provider: OAuthClientProvider, target: HttpTarget) -> Login:
    context = provider.context
    if context.current_tokens is None or context.client_info is None:
        raise NotGrantedError("there is no token")
    return Login(
        url=target.url,
        tokens=context.current_tokens,
        client=context.client_info,
        server=context.oauth_metadata,
        resource=context.protected_resource_metadata,
        expires_at=context.token_expiry_time,
    )


def _code_in(body: bytes) -> str:
    """The error code in an answer, where it is one of those short names that the protocol has."""
    code: object = (decoded(body) or {}).get("error")
    return (
        code if isinstance(code, str) and code.isascii() and code.replace("_", "").isalpha() and len(code) < 40 else ""
    )
