"""The streams of one session over HTTP: read event by event, and taken up again where they broke off."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx2 as httpx
from mcp.shared.dispatcher import as_request_id, coerce_request_id
from mcp_types import RequestId

from headgate.proxy.backpressure import weight_of
from headgate.proxy.connection import CallFailedError
from headgate.proxy.edges import LONG, MAX_NODES, identity_in, is_news, is_too_full
from headgate.proxy.event_stream import Event
from headgate.proxy.http_body import Pauses, events_of
from headgate.proxy.http_session import EVENTS, HttpSession, media_type
from headgate.proxy.line import Line
from headgate.proxy.messages import heard

_MAX_RESUMED = 3
"""How often in a row a broken stream is opened again without an event in between."""
_RESUME_AFTER_S, _SHORTEST_S, _LONGEST_S = 1.0, 0.01, 60.0
"""How long to wait before a stream is opened again, at first, and by the upstream's wish at least and at most."""
_DOUBLED = 6
"""How often the wait is doubled. A stream in which nothing is ever said may fail thousands of times."""
_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
"""Refusals of a stream that say nothing of whether there is one."""
_LAST_EVENT_S = 0.01
"""How long the end of a stream may come after the answer in it."""


@dataclass(slots=True)
class Place:
    """How far a stream has been read."""

    identity: str = ""
    """Of the latest event; empty where the upstream gives none."""
    opened: bool = False
    failures: int = 0
    """How often in a row the stream has ended without an event."""
    _asked_s: float | None = None

    def note(self, event: Event) -> None:
        """Remember that `event` has been read."""
        self.identity = event.identity or self.identity
        self._asked_s = self._asked_s if event.retry_s is None else event.retry_s
        self.failures = 0

    @property
    def header(self) -> dict[str, str]:
        """What asks the upstream to go on from here."""
        return {"last-event-id": self.identity} if self.identity else {}

    def wait_s(self) -> float:
        """How long to wait before the stream is opened again."""
        wait_s = min(_RESUME_AFTER_S * 2 ** min(self.failures, _DOUBLED), _LONGEST_S)
        self.failures += 1
        return wait_s if self._asked_s is None else min(max(self._asked_s, _SHORTEST_S), _LONGEST_S)


class Streams:
    """What comes in as events: answers for those who wait for them, and for `line` the upstream's own news."""

    def __init__(self, session: HttpSession, line: Line, answer_limit: int) -> None:
        """A message of more than `answer_limit` bytes is not taken in."""
        self._session = session
        self._line = line
        self._answer_limit = answer_limit
        self._pauses = Pauses(line)

    async def hear(
        self, response: httpx.Response, place: Place, identity: RequestId | None = None
    ) -> dict[str, Any] | None:
        """Read a stream up to the answer to request `identity`, or to its end. The rest is the upstream's own news.

        Raises:
            CallFailedError: A message is too large, or while an answer is waited for no JSON.
            httpx.HTTPError: The stream broke off.

        """
        reading = events_of(response, self._answer_limit, self._pauses, awaited=identity is not None)
        async with aclosing(reading) as events:
            async for event in events:
                place.note(event)
                if event.name != "message" or not event.data:
                    continue
                if _is_too_much(event.data, identity):
                    self._let_go(event.data)
                    continue
                message = heard(countable(event.data))
                if message is not None and "method" in message:
                    self._line.unasked += weight_of(event.data)
                    self._line.take(message)
                elif message is not None and identity is not None and answers(message, identity):
                    await _ended(events)
                    return message
                elif message is None and identity is not None:
                    raise no_json()
                else:
                    self._let_go(event.data)
        return None

    def _let_go(self, message: bytes) -> None:
        self._line.unasked += weight_of(message)
        self._line.ignored += 1

    async def resumed(self, identity: RequestId, place: Place) -> dict[str, Any] | None:
        """Go on with a stream that has ended too early, if the upstream has said where to.

        It may end a stream on purpose, so as to be asked again later.

        Raises:
            CallFailedError: It has not said where to, or has ended the stream too often.

        """
        if not place.identity or place.failures >= _MAX_RESUMED:
            raise CallFailedError("UPSTREAM_ERROR", "its stream ended without an answer", sent=True, transient=True)
        await asyncio.sleep(place.wait_s())
        with suppress(httpx.HTTPError):
            async with self._opened(place) as response:
                if response.is_success and media_type(response) == EVENTS:
                    return await self.hear(response, place, identity)
                place.identity = ""
        return None

    async def listen(self, changed: Callable[[], None], lost: Callable[[], object]) -> None:
        """In the handshake era: read what the upstream says of its own accord, for as long as it offers a stream of it.

        A stream that is lost is opened again; `changed` is told that something may have been missed, and `lost` that
        the upstream no longer knows the session.
        """
        place = Place()
        while self._session.identity is not None:
            with suppress(httpx.HTTPError, CallFailedError):
                async with self._opened(place) as response:
                    if response.status_code == HTTPStatus.NOT_FOUND:
                        lost()
                    refused = response.is_client_error and response.status_code not in _PASSING
                    if refused or (response.is_success and media_type(response) != EVENTS):
                        return
                    if response.is_success:
                        if place.opened:
                            changed()
                        place.opened = True
                        await self.hear(response, place)
            await asyncio.sleep(place.wait_s())

    def _opened(self, place: Place) -> AbstractAsyncContextManager[httpx.Response]:
        return self._session.answered("GET", {**self._session.headers(), **place.header})


async def _ended(events: AsyncGenerator[Event]) -> None:
    """Give a stream a moment to end: its connection can then be used again."""
    with suppress(httpx.HTTPError, CallFailedError, TimeoutError):
        async with asyncio.timeout(_LAST_EVENT_S):
            async for _ in events:
                pass


def no_json() -> CallFailedError:
    """The failure of a call whose answer cannot be read."""
    return CallFailedError("UPSTREAM_ERROR", "its answer is not valid JSON", sent=True)


def countable(message: bytes) -> bytes:
    """Refuse what takes many times its size in memory, and long to read: lists and objects without number.

    Raises:
        CallFailedError: It is refused.

    """
    if len(message) > LONG and is_too_full(message, awaited=True):
        words = f"its answer is too large: it holds more than {MAX_NODES:,} lists and objects"
        raise CallFailedError("RESULT_TOO_LARGE", words, sent=True)
    return message


def _is_too_much(message: bytes, identity: RequestId | None) -> bool:
    """Whether so much is in a message that it is not parsed, since it is not the answer to request `identity`."""
    if len(message) <= LONG:
        return False
    if identity is not None and not is_news(message):
        answered = identity_in(message)
        if answered is None or coerce_request_id(answered) == coerce_request_id(identity):
            return False
    return is_too_full(message, awaited=False)


def answers(message: Mapping[str, Any], identity: RequestId) -> bool:
    """Whether it is the answer to a request. One that the upstream could not read is answered without an id."""
    failed = isinstance(message.get("error"), dict)
    if message.get("id") is None:
        return failed
    answered = as_request_id(message["id"])
    says_something = failed or isinstance(message.get("result"), dict)
    return answered is not None and says_something and coerce_request_id(answered) == coerce_request_id(identity)
