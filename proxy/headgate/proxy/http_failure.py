"""What a failed HTTP exchange says of the call that it carried."""

import ssl
import time
from http import HTTPStatus
from typing import Final

import httpx2 as httpx

from headgate.proxy.connection import CallFailedError
from headgate.tools.result import presentable
from headgate.tools.retry_after import retry_after_s

_REFUSED_US: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_AGAIN: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY)
BY_STATUS: Final = frozenset({*_REFUSED_US, *_AGAIN, 429, 502, 503, 504})
"""Statuses that say more than any body: they may come from whatever stands before the upstream."""


def failed_status(response: httpx.Response) -> CallFailedError:
    """The failure that an HTTP status other than 2xx stands for.

    A call that was refused with a status below 500 is known not to have been executed; behind a status of 500 and above
    the upstream may be at it all the same.
    """
    status = response.status_code
    wait_s = retry_after_s(response.headers.get("retry-after"), time.time())
    if status in _REFUSED_US:
        return CallFailedError("UPSTREAM_ERROR", f"the upstream refused the credentials (HTTP {status})", sent=False)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        words = "the upstream takes no more calls for now (HTTP 429)"
        return CallFailedError("RATE_LIMITED", words, sent=False, transient=True, retry_after_s=wait_s)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        words = "the upstream is not available (HTTP 503)"
        return CallFailedError("UPSTREAM_UNAVAILABLE", words, sent=True, transient=True, retry_after_s=wait_s)
    words = f"the upstream answered with HTTP {status}"
    late = response.is_server_error or status == HTTPStatus.REQUEST_TIMEOUT
    again = response.is_server_error or status in _AGAIN
    return CallFailedError("UPSTREAM_ERROR", words, sent=late, transient=again, retry_after_s=wait_s if again else None)


def broken(error: Exception, url: httpx.URL) -> CallFailedError:
    """The failure that an exchange with `url` ended in which got no whole HTTP answer."""
    name, host = type(error).__name__, presentable(url.host)
    match error:
        case httpx.PoolTimeout():
            words = f"no connection to {host} has become free"
            return CallFailedError("UPSTREAM_UNAVAILABLE", words, sent=False, transient=True)
        case httpx.ConnectError() if (why := _certificate(error)) is not None:
            words = f"cannot connect to {host} securely: {why}"
            return CallFailedError("UPSTREAM_UNAVAILABLE", words, sent=False)
        case httpx.ConnectError() | httpx.ConnectTimeout():
            words = f"cannot connect to {host} ({name})"
            return CallFailedError("UPSTREAM_UNAVAILABLE", words, sent=False, transient=True)
        case httpx.LocalProtocolError() | httpx.UnsupportedProtocol():
            words = f"the request to {host} cannot be made ({name}): look at its url and headers"
            return CallFailedError("UPSTREAM_ERROR", words, sent=False)
        case httpx.DecodingError():
            return CallFailedError("UPSTREAM_ERROR", "its answer cannot be decompressed", sent=True)
        case _:
            return CallFailedError("UPSTREAM_ERROR", f"the connection broke ({name})", sent=True, transient=True)


def _certificate(error: BaseException | None) -> str | None:
    """What TLS has against the server; `None` where it is not about that."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is not to be trusted ({presentable(error.verify_message)})"
        if isinstance(error, ssl.SSLError):
            return f"TLS failed ({presentable(error.reason or type(error).__name__)})"
        error = error.__cause__ or error.__context__
    return None


def redirected(response: httpx.Response) -> httpx.URL | None:
    """Where the same request is to be sent instead; `None` where `response` is no redirect.

    It never leaves the origin, and its method stays: what was configured for one server is for no other to see.

    Raises:
        CallFailedError: It would.

    """
    following = response.next_request
    if following is None:
        return None
    here, there = response.request.url, following.url
    same_method = following.method == response.request.method
    if same_method and _origin(here) == _origin(there) and there.userinfo in (b"", here.userinfo):
        return there
    where = presentable(f"{there.scheme}://{there.host}")
    words = f"the upstream redirects to {where} (HTTP {response.status_code}), which is not followed"
    # "See other" is said of what has been done: there is its result.
    raise CallFailedError("UPSTREAM_ERROR", words, sent=response.status_code == HTTPStatus.SEE_OTHER)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, port
