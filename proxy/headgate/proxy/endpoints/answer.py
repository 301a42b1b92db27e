"""An HTTP response as a `tools/call` result, or why there is none. Pure: no I/O; the time of day is an argument."""

import base64
import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import orjson

from headgate.proxy.connection import CallFailedError
from headgate.proxy.endpoints.endpoint import Endpoint
from headgate.proxy.messages import BYTE_ORDER_MARK, parsed
from headgate.proxy.redact import redacted
from headgate.tools.compact import compact
from headgate.tools.result import MAX_ERROR_TEXT, presentable
from headgate.tools.retry_after import retry_after_s

_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json|text/json")
_TEXT = re.compile(
    r"text/.*|application/(?:[\w.+-]+\+)?(?:xml|yaml|toml)|application/(?:x-ndjson|javascript|graphql|jsonl)"
)
_HTML = re.compile(r"text/html|application/xhtml\+xml")
_CHARSET = re.compile(r'charset="?([\w.:-]+)', re.IGNORECASE)
_NO_CHARSETS = frozenset(("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"))
"""Encodings that Python has for other things. To read megabytes in one of them can take hours."""
_PRIVATE = frozenset(("set-cookie", "www-authenticate", "proxy-authenticate"))
_EARLY = frozenset((HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS))
_MEMBERS = ("message", "detail", "error_description", "title", "error", "description", "reason", "msg")
"""Where APIs put their words when they refuse."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, its body unpacked."""

    status: int
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes
    uri: str
    """What was asked for, without the query."""
    of_made: bool = False
    """Whether it is no answer to the call itself, which was made, but what was asked for as its result."""

    @property
    def media_type(self) -> str:
        """Without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def result_of(endpoint: Endpoint, response: Response, secrets: frozenset[str], now: float) -> dict[str, Any]:
    """The `tools/call` result that `response` stands for; `now` is the time of day in seconds since 1970.

    Raises:
        CallFailedError: It is no answer of the endpoint.

    """
    status = response.status
    passing = status in _EARLY or status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if response.of_made and not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        words = f"the upstream said where the result is, but answered there with HTTP {status}"
        raise CallFailedError("UPSTREAM_ERROR", words, sent=True, transient=passing)
    if passing:
        raise _not_now(response, now)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED):
        raise _not_allowed(response, secrets)
    if status >= HTTPStatus.BAD_REQUEST:
        return {"content": [_text(f"HTTP {status}{_words(response, secrets)}")], "isError": True}
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise _unusable(f"HTTP {status}, which is no answer")
    if endpoint.method == "HEAD":
        shown = {name: value for name, value in response.headers.items() if name not in _PRIVATE}
        told = {"status": status, "headers": shown}
        return _structured(told, orjson.dumps(told))
    return _content_of(endpoint, response, secrets)


def _content_of(endpoint: Endpoint, response: Response, secrets: frozenset[str]) -> dict[str, Any]:
    kind = response.media_type
    if not response.body:
        return {"content": []}
    if _HTML.fullmatch(kind) and not _wants_html(endpoint):
        raise _unusable("an HTML page instead of data: a login page, or one of a gateway before it?")
    if _JSON.fullmatch(kind):
        return _json_of(response)
    if _TEXT.fullmatch(kind):
        return {"content": [_text(_decoded(response))]}
    if not kind:
        return _guessed(response, secrets)
    return {"content": [_block(kind, response, secrets)]}


def _guessed(response: Response, secrets: frozenset[str]) -> dict[str, Any]:
    """A body that nobody says the type of: text if it is some, which is then looked at for JSON."""
    try:
        return {"content": [_text(response.body.decode())]}
    except UnicodeDecodeError:
        return {"content": [_block("application/octet-stream", response, secrets)]}


def _json_of(response: Response) -> dict[str, Any]:
    """The result that is JSON: in UTF-8, whatever a server says, or else in what it says."""
    text = response.body.removeprefix(BYTE_ORDER_MARK)
    try:
        try:
            return _structured(parsed(text), text)
        except orjson.JSONDecodeError:
            text = text.decode(_charset(response)).encode()
            return _structured(parsed(text), text)
    except (LookupError, ValueError):
        raise _unusable("JSON that cannot be read") from None


def _structured(value: Any, text: bytes) -> dict[str, Any]:
    if value is None:
        return {"content": []}
    return {"content": [_text(text.decode())], "structuredContent": value}


def _block(kind: str, response: Response, secrets: frozenset[str]) -> dict[str, Any]:
    data = base64.b64encode(response.body).decode()
    family = kind.partition("/")[0]
    if family in {"image", "audio"}:
        return {"type": family, "data": data, "mimeType": kind}
    resource = {"uri": redacted(response.uri, secrets), "mimeType": kind, "blob": data}
    return {"type": "resource", "resource": resource}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _decoded(response: Response) -> str:
    try:
        return response.body.decode(_charset(response), "replace")
    except (LookupError, ValueError):  # one that is not of text, or cannot replace what it does not know
        return response.body.decode("utf-8", "replace")


def _charset(response: Response) -> str:
    """What the text is said to be encoded in; UTF-8 where that is nothing, or no charset."""
    named = _CHARSET.search(response.headers.get("content-type", ""))
    try:
        charset = codecs.lookup(named[1] if named else "utf-8")
    except LookupError:
        return "utf-8"
    return "utf-8" if charset.name in _NO_CHARSETS else charset.name


def _wants_html(endpoint: Endpoint) -> bool:
    return "html" in endpoint.accept


def _not_now(response: Response, now: float) -> CallFailedError:
    """A refusal that may pass. 425 and 429 say that the call was not executed; the others may follow upon it."""
    status, wait_s = response.status, retry_after_s(response.headers.get("retry-after"), now)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        words = "the upstream answered that it is called too often (HTTP 429)"
        return CallFailedError("RATE_LIMITED", words, sent=False, transient=True, retry_after_s=wait_s)
    return CallFailedError(
        "UPSTREAM_ERROR",
        f"the upstream answered with HTTP {status}",
        sent=status not in _EARLY,
        transient=status not in (HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
        retry_after_s=wait_s,
    )


def _not_allowed(response: Response, secrets: frozenset[str]) -> CallFailedError:
    what = {
        HTTPStatus.UNAUTHORIZED: "does not accept the credentials that headgate was given for it",
        HTTPStatus.FORBIDDEN: "does not allow this",
    }.get(HTTPStatus(response.status), "asks for credentials of a proxy")
    words = f"the upstream {what} (HTTP {response.status}{_words(response, secrets)})"
    return CallFailedError("UPSTREAM_ERROR", words, sent=False)


def _unusable(what: str) -> CallFailedError:
    return CallFailedError("UPSTREAM_ERROR", f"the upstream answered with {what}", sent=True)


def _words(response: Response, secrets: frozenset[str]) -> str:
    """What the upstream said, for the end of a sentence: its own words out of JSON, or its text; no HTML."""
    if not response.body:
        return ""
    if _JSON.fullmatch(response.media_type) or response.body[:1] in b"{[":
        try:
            said = _message_in(parsed(response.body))
        except orjson.JSONDecodeError:
            return ""
    elif _TEXT.fullmatch(response.media_type) or not response.media_type:
        said = _decoded(response)
    else:
        return ""
    said = presentable(redacted(said[: MAX_ERROR_TEXT * 2], secrets))
    return f": {said}" if said else ""


def _message_in(value: Any) -> str:
    """The whole of a short JSON error; of a long one its message."""
    whole = compact(value).decode()
    if len(whole) <= MAX_ERROR_TEXT or not isinstance(value, dict):
        return whole
    members = cast("dict[str, Any]", value)
    return next((members[name] for name in _MEMBERS if isinstance(members.get(name), str)), whole)
