"""The HTTP client of one upstream: one pool, vetted connections, redirects that stay, bodies that end."""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus

import httpcore2 as httpcore
import httpx2 as httpx

from headgate.proxy.connection import CallFailedError
from headgate.proxy.endpoints.address import Base
from headgate.proxy.endpoints.answer import Response
from headgate.proxy.endpoints.dialing import NotVettedError, Resolve, VettedBackend, resolve
from headgate.proxy.endpoints.endpoint import READS
from headgate.proxy.endpoints.request import Prepared
from headgate.proxy.endpoints.vetting import Reach
from headgate.proxy.http_body import ENCODINGS, whole_body
from headgate.proxy.pool import Pool
from headgate.proxy.recall import watched

CONNECT_S = 10.0
MAX_REDIRECTS = 5
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_SAME_AGAIN = frozenset((HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT))
"""Redirects that say: not here, send the same there."""
_WITHOUT_BODY = frozenset(("GET", "HEAD", "DELETE", "OPTIONS"))


@dataclass(frozen=True, slots=True)
class Client:
    """Sends requests to one origin, below one path."""

    base: Base
    headers: Mapping[str, str]
    """What every request carries."""
    pool: Pool
    most: int
    """Bytes of an answer."""

    async def send(self, request: Prepared, headers: Mapping[str, str] | None = None) -> Response:
        """The response to `request`, after redirects; `headers` go with it over all others.

        Raises:
            CallFailedError: There is none, or none that may be had.

        """
        made = False
        try:
            for _ in range(MAX_REDIRECTS + 1):
                answer = await self._exchange(request, headers or {})
                if isinstance(answer, Response):
                    return replace(answer, of_made=made)
                request, made = self._follow(request, *answer), made or _says_made(request, answer[0])
        except CallFailedError as failed:
            failed.sent = failed.sent or made
            raise
        raise CallFailedError("UPSTREAM_ERROR", f"the upstream redirects more than {MAX_REDIRECTS} times", sent=made)

    async def _exchange(self, request: Prepared, headers: Mapping[str, str]) -> "Response | tuple[int, str]":
        """One request and its response, or the status and place of a redirect."""
        base = self.base
        url = httpcore.URL(scheme=base.scheme, host=base.host, port=base.port, target=request.target)
        content = request.content
        if content is None and request.method not in _WITHOUT_BODY:
            content = b""  # so that its length, none, is said
        # Of an address in IPv6 the core would leave out the brackets.
        host = base.origin.partition("://")[2]
        given = {
            "host": host,
            "accept-encoding": ENCODINGS,
            **request.headers,
            **_lower(self.headers),
            **_lower(headers),
        }
        lines = _lines(given)
        extensions = {"timeout": {"connect": CONNECT_S}, **watched()}
        try:
            async with self.pool.stream(
                request.method, url, headers=lines, content=content, extensions=extensions
            ) as core:
                response = httpx.Response(core.status, headers=core.headers, stream=_Stream(core))
                if core.status in _REDIRECTS and "location" in response.headers:
                    return core.status, response.headers["location"]
                body = b"" if request.method == "HEAD" else await whole_body(response, self.most)
                uri = base.origin + request.target.partition("?")[0]
                return Response(core.status, dict(response.headers), body, uri)
        except httpx.DecodingError:
            words = "the upstream answered with a body that cannot be decompressed"
            raise CallFailedError("UPSTREAM_ERROR", words, sent=True) from None
        except NotVettedError as refused:
            words = f"{refused}: headgate does not connect to it without allow_private = true"
            raise CallFailedError("DENIED", words, sent=False) from None
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as broken:
            raise broken_off(broken, base) from None

    def _follow(self, request: Prepared, status: int, location: str) -> Prepared:
        target = self.base.redirected(request.target, location)
        reads = request.method in READS
        if target is None:
            words = f"the upstream redirects (HTTP {status}) to an address outside of the one that it was given"
            raise CallFailedError("UPSTREAM_ERROR", words, sent=status not in _SAME_AGAIN)
        if reads or status in _SAME_AGAIN:
            return replace(request, target=target)
        if status == HTTPStatus.SEE_OTHER:
            heads = {name: value for name, value in request.headers.items() if name != "content-type"}
            return Prepared("GET", target, heads)
        # What a 301 or 302 means to a write is not agreed upon: some clients send it again, some as a GET.
        words = f"the upstream redirects a {request.method} with HTTP {status}, which does not say whether it was done"
        raise CallFailedError("UPSTREAM_ERROR", words, sent=True)


def _says_made(request: Prepared, status: int) -> bool:
    """Whether a redirect that is followed says that `request` was made, and where its result is."""
    return status == HTTPStatus.SEE_OTHER and request.method not in READS


class _Stream(httpx.AsyncByteStream):
    """A response's body, for httpx to decompress."""

    def __init__(self, core: httpcore.Response) -> None:
        self._core = core

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._core.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._core.aclose()


@asynccontextmanager
async def client_for(
    base: Base,
    headers: Mapping[str, str],
    reach: Reach,
    *,
    concurrency: int = 1,
    resolver: Resolve = resolve,
    most: int,
) -> AsyncGenerator[Client]:
    """A client for `base` with `concurrency` connections. Proxies of the environment are not used."""
    trust = httpx.create_ssl_context() if base.scheme == "https" else None
    async with Pool(concurrency, trust, VettedBackend(reach, resolver)) as pool:
        yield Client(base, headers, pool, most)


def broken_off(broken: Exception, base: Base) -> CallFailedError:
    """What it means to a call that its request got no whole response."""
    cause = _tls_failure(broken)
    if isinstance(broken, httpcore.ConnectError | httpcore.ConnectTimeout):
        if cause is not None:
            reason = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else "TLS failed"
            words = f"no secure connection to {base.host}: {reason}"
            return CallFailedError("UPSTREAM_UNAVAILABLE", words, sent=False)
        words = f"cannot connect to {base.host} ({type(broken).__name__})"
        return CallFailedError("UPSTREAM_UNAVAILABLE", words, sent=False, transient=True)
    if isinstance(broken, httpcore.LocalProtocolError):
        return CallFailedError("UPSTREAM_ERROR", "HTTP does not allow this request", sent=False)
    words = f"the connection broke ({type(broken).__name__})"
    return CallFailedError("UPSTREAM_ERROR", words, sent=True, transient=True)


def _tls_failure(broken: BaseException) -> ssl.SSLError | None:
    """What TLS had against the connection, where it was that."""
    cause: BaseException | None = broken
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__  # the pool raises it again, "from None"
    return cause


def _lines(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    try:
        return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
    except UnicodeEncodeError:
        raise CallFailedError("INVALID_ARGUMENTS", "a header would hold what no header can", sent=False) from None


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
