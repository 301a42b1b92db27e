"""Host and Origin of every request: what a web page that a user looks at could send to this machine is refused.

A page can have its own name resolve to a loopback address and so reach whatever is served there (DNS rebinding); the
browser then still names the page's host and origin.
"""

import logging
from collections.abc import Iterable

from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from headgate.server.settings.serve import ServeSettings

logger = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_UNLOCKED = ("0.0.0.0", "[::]")  # noqa: S104 - told apart here, not bound to
_HTTP_PORT = 80
"""The port that clients leave out of the Host header."""
_TOLD = 20
"""Refused names that the log tells of: whoever calls may make up any number."""
_SHOWN = 100
"""Characters of such a name."""


def known_names(serve: ServeSettings, host: str, port: int) -> TransportSecuritySettings:
    """Whom a server at `host` and `port` may be called, and by which web pages.

    Bound to a loopback address it goes by the three names of that; bound to every address by none of its own, since
    it cannot know them.
    """
    own = LOOPBACK if host in LOOPBACK or host == "::1" else () if host in _UNLOCKED else (host,)
    names = [f"{name}:{port}" for name in own] + ([*own] if port == _HTTP_PORT else [])
    for name in map(str.lower, serve.hosts):
        names += [name] if _has_port(name) else [name, f"{name}:*"]
    origins = [f"{scheme}://{name}" for scheme in ("http", "https") for name in names]
    return TransportSecuritySettings(allowed_hosts=names, allowed_origins=[*origins, *serve.origins])


class KnownHosts:
    """Answers 421 to a request for a host that is none of ours, and 403 to one from a web page that may not call."""

    def __init__(self, app: ASGIApp, names: TransportSecuritySettings, *, without_host: Iterable[str] = ()) -> None:
        """`without_host` are paths that are answered under any name, since they tell nothing."""
        self._app = app
        self._check = TransportSecurityMiddleware(names)
        self._without_host = frozenset(without_host)
        self._told: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it unread."""
        if scope["type"] != "http" or scope["path"] in self._without_host:
            await self._app(scope, receive, send)
            return
        # Names of hosts are the same in capitals.
        headers = [(name, value.lower() if name == b"host" else value) for name, value in scope["headers"]]
        request = Request({**scope, "headers": headers})
        refused = await self._check.validate_request(request)
        if refused is None:
            await self._app(scope, receive, send)
            return
        what, key = ("Host", "hosts") if refused.status_code == 421 else ("Origin", "origins")
        self._tell(what, key, request.headers.get(what, ""))
        text = f"{what} is not one that this server goes by: its operator names it in [serve] {key}\n"
        await PlainTextResponse(text, refused.status_code)(scope, receive, send)

    def _tell(self, what: str, key: str, name: str) -> None:
        shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name[:_SHOWN])
        if shown not in self._told and len(self._told) < _TOLD:
            self._told.add(shown)
            logger.warning(
                'refused a request with %s "%s": if it is meant to be served, put it in [serve] %s', what, shown, key
            )


def _has_port(name: str) -> bool:
    return ":" in name.rpartition("]")[2]
