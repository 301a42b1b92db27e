"""One request over HTTP: a POST, and the answer to it, be it the body or an event among others."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, cast

import httpx2 as httpx
from mcp.shared.exceptions import MCPError
from mcp_types import RequestId

from headgate.proxy.connection import CallFailedError, SessionGoneError
from headgate.proxy.http_body import drained, whole_body
from headgate.proxy.http_failure import BY_STATUS, broken, failed_status
from headgate.proxy.http_session import EVENTS, JSON, SESSION_HEADER, HttpSession, media_type
from headgate.proxy.http_stream import Place, Streams, answers, countable, no_json
from headgate.proxy.messages import encoded, error_of, heard
from headgate.tools.result import presentable

_MAX_KIND = 40
_NO_SESSION = re.compile(rb"session[ _-]?id|session not found", re.IGNORECASE)
"""What servers say that answer 400 where the protocol has 404, be it in JSON or not: no valid session ID provided."""


class Exchanges:
    """The requests of one session, each for itself."""

    def __init__(
        self, session: HttpSession, streams: Streams, answer_limit: int, lost: Callable[[], SessionGoneError]
    ) -> None:
        """`lost` is told that the upstream no longer knows the session; what it gives is raised."""
        self._session = session
        self._streams = streams
        self._answer_limit = answer_limit
        self._lost = lost

    async def result(self, identity: RequestId, message: Mapping[str, Any], own: Mapping[str, str]) -> dict[str, Any]:
        """Send request `identity`, with headers of its `own`; its result.

        Raises:
            CallFailedError: There is no answer.
            MCPError: The upstream answered with an error.

        """
        answer = await self._answer(identity, message, {**own, **self._session.headers(message)})
        result = answer.get("result")
        if not isinstance(result, dict):
            raise error_of(answer.get("error"))
        result = cast("dict[str, Any]", result)
        if message["method"] == "initialize" and isinstance(version := result.get("protocolVersion"), str):
            self._session.version = version
        return result

    async def _answer(
        self, identity: RequestId, message: Mapping[str, Any], headers: Mapping[str, str]
    ) -> dict[str, Any]:
        place = Place()
        try:
            async with self._session.answered("POST", headers, encoded(message)) as response:
                if not response.is_success:
                    raise await self._refusal(response, identity)
                if message["method"] == "initialize":
                    self._session.identity = _sendable(response.headers.get(SESSION_HEADER))
                answer = await self._answer_in(response, identity, place)
        except httpx.HTTPError as error:
            if not place.identity:
                raise broken(error, self._session.url) from None
            answer = None
        while answer is None:
            answer = await self._streams.resumed(identity, place)
        return answer

    async def _answer_in(self, response: httpx.Response, identity: RequestId, place: Place) -> dict[str, Any] | None:
        """The answer to a request; `None` if `response` is a stream that ends without it."""
        kind = media_type(response)
        if kind == JSON:
            message = heard(countable(await whole_body(response, self._answer_limit)))
            if message is None:
                raise no_json()
            if not answers(message, identity):
                raise CallFailedError("UPSTREAM_ERROR", "its answer is not one to this request", sent=True)
            return message
        if kind == EVENTS:
            return await self._streams.hear(response, place, identity)
        words = f"its answer is not JSON ({presentable(kind)[:_MAX_KIND] or 'no content type'})"
        if response.status_code == HTTPStatus.ACCEPTED:
            words = "it took the request but gives no answer"
        raise CallFailedError("UPSTREAM_ERROR", words, sent=True)

    async def _refusal(self, response: httpx.Response, identity: RequestId) -> CallFailedError | MCPError:
        """What an answer without success says: an error in its body, or else what its status stands for."""
        in_session = SESSION_HEADER in response.request.headers
        if in_session and response.status_code == HTTPStatus.NOT_FOUND:
            return self._lost()
        body = await drained(response)
        message = heard(body) or {}
        # An error under the request's own id is of its tool, whatever it speaks of.
        to_this = message.get("id") is not None and answers(message, identity)
        if in_session and not to_this and response.status_code == HTTPStatus.BAD_REQUEST and _NO_SESSION.search(body):
            return self._lost()
        if response.status_code not in BY_STATUS and "jsonrpc" in message and isinstance(message.get("error"), dict):
            return error_of(message["error"])
        return failed_status(response)


def _sendable(session: str | None) -> str | None:
    """An upstream's name for a session, which goes with each request from now on."""
    if session is not None and not session.isascii():
        words = "its session ID is not ASCII, so it could not be sent back"
        raise CallFailedError("UPSTREAM_ERROR", words, sent=True)
    return session
