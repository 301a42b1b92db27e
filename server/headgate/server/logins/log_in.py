"""A person's login at an upstream, from its refusal of a request without a token to what is kept in the end."""

import asyncio
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

import httpx2 as httpx
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp_types import LATEST_PROTOCOL_VERSION

from headgate.proxy.http import client_of
from headgate.proxy.http_failure import broken
from headgate.proxy.oauth.exchange import ANSWER_S, NotGrantedError, authorized
from headgate.proxy.oauth.login import Login
from headgate.proxy.target import HttpTarget
from headgate.server.logins.listener import listening
from headgate.server.logins.vault import Vault

WAIT_S = 300.0
"""How long a person may take."""
_PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


async def log_in(target: HttpTarget, vault: Vault, show: Callable[[str], None]) -> Login:
    """Get through a login, and keep it. `show` is told the address at which a person goes on.

    Raises:
        NotGrantedError: There is no token, and why.
        CallFailedError: There is no saying, for now.
        OSError: The login can be waited for at no port, or not be kept.

    """
    challenge = await _challenge_of(target)
    async with listening(target.oauth.redirect_port if target.oauth else 0) as listener:

        def lead(url: str) -> None:
            listener.leads_to(url)
            show(url)

        try:
            async with asyncio.timeout(WAIT_S):
                login = await authorized(target, challenge, listener.redirect_uri, lead, listener.answer)
        except TimeoutError:
            raise NotGrantedError(f"nobody has logged in within {WAIT_S:g} s") from None
    async with vault.alone():
        await vault.save(login)
    return login


def open_browser(url: str) -> bool:
    """Show `url`, which came from somebody else, in the user's browser; whether that worked. Nothing else is opened."""
    parts = httpx.URL(url)
    if parts.scheme not in ("http", "https") or not parts.host:
        return False
    with suppress(webbrowser.Error, OSError):
        return webbrowser.open(str(parts))
    return False


async def _challenge_of(target: HttpTarget) -> httpx.Headers:
    """What the upstream says to a request without a token."""
    headers = {
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        MCP_PROTOCOL_VERSION_HEADER: LATEST_PROTOCOL_VERSION,
    }
    verb, content = ("GET", None) if target.transport == "sse" else ("POST", _PING)
    try:
        async with (
            asyncio.timeout(ANSWER_S),
            client_of(target, 1) as client,
            client.stream(verb, target.url, headers=headers, content=content) as response,
        ):
            if response.status_code != HTTPStatus.UNAUTHORIZED:
                raise NotGrantedError(f"it asks for no login (HTTP {response.status_code})")
            return response.headers
    except TimeoutError:
        raise NotGrantedError(f"it gives no answer within {ANSWER_S:g} s") from None
    except httpx.HTTPError as error:
        raise broken(error, httpx.URL(target.url)) from None
