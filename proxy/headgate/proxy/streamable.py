"""JSON-RPC over streamable HTTP: each request a POST of its own, and whatever goes wrong with it stays with it.

This is a Dispatcher in the SDK's sense, as `rpc.Rpc` is for lines: the SDK's ClientSession runs its handshakes over it,
and calls take the shorter way of `call`. A request is sent and its answer read in the task that asks for it, so leaving
that task is all that it takes to abandon it.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import anyio
import anyio.abc
import httpx2 as httpx
from mcp.shared.dispatcher import (
    CallOptions,
    Dispatcher,
    OnNotify,
    OnNotifyIntercept,
    OnRequest,
    as_request_id,
    coerce_request_id,
)
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
)
from mcp.shared.transport_context import TransportContext
from mcp_types import CONNECTION_CLOSED, PROTOCOL_VERSION_META_KEY, REQUEST_TIMEOUT, RequestId

from headgate.proxy.connection import CallFailedError, SessionGoneError
from headgate.proxy.event_stream import Event
from headgate.proxy.http_body import Pauses, drained, events_of, whole_body
from headgate.proxy.http_failure import BY_STATUS, broken, failed_status, redirected
from headgate.proxy.messages import decoded, encoded, error_of
from headgate.proxy.rpc import MAX_NODES
from headgate.proxy.serving import Serving
from headgate.tools.result import presentable

SESSION_HEADER = "mcp-session-id"
_JSON, _EVENTS = "application/json", "text/event-stream"
_MAX_REDIRECTS = 3
_MAX_RESUMED = 3
"""How often in a row a broken stream is opened again without an event in between."""
_RESUME_AFTER_S, _LONGEST_S = 1.0, 60.0
"""How long to wait before a stream is opened again, at first or by the upstream's wish, and at most."""
_COURTESY_S = 1.0
"""How long a notification, an answer of ours or the end of a session may take."""
_MAX_COURTESIES = 64
"""How many of them may be under way or wait for their turn: further ones are dropped."""
_LAST_WORDS_S = 0.2
"""How long answers may still come over a session that the upstream no longer knows."""
_LAST_EVENT_S = 0.01
"""How long the end of a stream may come after the answer in it."""
_MAX_KIND = 40
_LONG = 256 * 1024
"""Bytes of a message below which its lists and objects are not counted."""
_NO_SESSION = "session id"
"""What an error says in the words of servers that answer 400 where the protocol has 404: no valid session ID."""


class Streamable(Dispatcher[TransportContext]):
    """One session, or in the era without sessions whatever stands for it."""

    def __init__(self, client: httpx.AsyncClient, url: str, tasks: anyio.abc.TaskGroup, answer_limit: int) -> None:
        """Requests go out over `client`; what nobody waits for is sent in `tasks`.

        `answer_limit` is the size of the largest message that is taken in, in bytes.
        """
        self._client = client
        self._url = httpx.URL(url)
        self._tasks = tasks
        self._answer_limit = answer_limit
        self._last_id = 0
        self._version: str | None = None
        """The protocol version of the handshake era, once agreed upon."""
        self._session: str | None = None
        self._lost = False
        self._closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._under_way: set[asyncio.Timeout] = set()
        self._serving: Serving | None = None
        self._courtesies = 0
        self._one_at_a_time = asyncio.Lock()
        self._pauses = Pauses()
        self.ignored = 0

    async def call(
        self,
        method: str,
        params: Mapping[str, Any],
        identity: RequestId | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        cancel: bool = True,
    ) -> dict[str, Any]:
        """Send a request, with `headers` of its own, and wait for its result.

        Abandoned, it is cancelled over there, unless `cancel` is false.

        Raises:
            CallFailedError: There is no answer.
            MCPError: The upstream answered with an error.

        """
        if self._closed.done():
            raise CallFailedError("UPSTREAM_UNAVAILABLE", self._gone(), sent=False, transient=True)
        if self._lost:
            raise SessionGoneError
        if identity is None:
            self._last_id += 1
            identity = self._last_id
        message = {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}
        ending = asyncio.timeout(None)
        self._under_way.add(ending)
        try:
            async with ending:
                return await self._exchange(identity, message, headers or {})
        except TimeoutError:
            raise CallFailedError("UPSTREAM_ERROR", self._gone(), sent=True, transient=True) from None
        except asyncio.CancelledError:
            # In the newer era the end of the POST says it all.
            if cancel and _modern_version(params) is None:
                self._tell("notifications/cancelled", {"requestId": identity})
            raise
        finally:
            self._under_way.remove(ending)

    def close(self, reason: str) -> None:
        """End every request that waits for an answer, and let `run` return."""
        if not self._closed.done():
            self._closed.set_result(reason)
            for call in self._under_way:
                call.reschedule(asyncio.get_running_loop().time())

    async def closed(self) -> str:
        """Wait for `close`; the reason that it was given."""
        return await asyncio.shield(self._closed)

    async def say_goodbye(self) -> None:
        """End the session over there, if there is one."""
        if self._session is not None:
            with anyio.move_on_after(_COURTESY_S, shield=True), suppress(httpx.HTTPError, CallFailedError):
                async with self._answered("DELETE", self._headers()) as response:
                    await drained(response)
            self._session = None

    async def listen(self, changed: Callable[[], None]) -> None:
        """In the handshake era: read what the upstream says of its own accord, for as long as it offers a stream of it.

        A stream that is lost is opened again; `changed` is told that something may have been missed.
        """
        place = _Place()
        while self._session is not None:
            with suppress(httpx.HTTPError, CallFailedError):
                async with self._answered("GET", {**self._headers(), **place.header}) as response:
                    if response.status_code == HTTPStatus.NOT_FOUND:
                        self.lose()
                    if response.is_client_error or (response.is_success and _kind(response) != _EVENTS):
                        return
                    if response.is_success:
                        if place.opened:
                            changed()
                        place.opened = True
                        await self._hear(response, place)
            await asyncio.sleep(place.wait_s())

    def reply(self, message: Mapping[str, Any]) -> None:
        """Send the answer to a request of the peer's; into a closed session it is dropped."""
        if self._closed.done() or self._courtesies >= _MAX_COURTESIES:
            return
        self._courtesies += 1
        self._tasks.start_soon(self._be_courteous, encoded(message))

    def _tell(self, method: str, params: Mapping[str, Any] | None) -> None:
        self.reply({"jsonrpc": "2.0", "method": method, "params": {} if params is None else params})

    async def _be_courteous(self, message: bytes) -> None:
        """Send what nobody waits for. One at a time: calls are not to wait for connections that are busy with it."""
        try:
            async with self._one_at_a_time:
                await self._post_and_forget(message)
        finally:
            self._courtesies -= 1

    async def _post_and_forget(self, message: bytes) -> None:
        with anyio.move_on_after(_COURTESY_S), suppress(httpx.HTTPError, CallFailedError):
            async with self._answered("POST", self._headers(), message) as response:
                await drained(response)

    async def _exchange(
        self, identity: RequestId, message: Mapping[str, Any], own: Mapping[str, str]
    ) -> dict[str, Any]:
        place = _Place()
        try:
            async with self._answered("POST", {**own, **self._headers(message)}, encoded(message)) as response:
                if not response.is_success:
                    raise await self._refusal(response)
                if message["method"] == "initialize":
                    self._session = response.headers.get(SESSION_HEADER)
                answer = await self._answer_in(response, identity, place)
        except httpx.HTTPError as error:
            if not place.identity:
                raise broken(error, self._url) from None
            answer = None
        while answer is None:
            answer = await self._resumed(identity, place)
        result = answer.get("result")
        if not isinstance(result, dict):
            raise error_of(answer.get("error"))
        return self._noted(message["method"], cast("dict[str, Any]", result))

    def _noted(self, method: str, result: dict[str, Any]) -> dict[str, Any]:
        if method == "initialize" and isinstance(version := result.get("protocolVersion"), str):
            self._version = version
        return result

    async def _answer_in(self, response: httpx.Response, identity: RequestId, place: "_Place") -> dict[str, Any] | None:
        """The answer to a request; `None` if `response` is a stream that ends without it."""
        match _kind(response):
            case "application/json":
                message = decoded(_countable(await whole_body(response, self._answer_limit)))
                if message is None:
                    raise _no_json()
                if not _answers(message, identity):
                    raise CallFailedError("UPSTREAM_ERROR", "its answer is not one to this request", sent=True)
                return message
            case "text/event-stream":
                return await self._hear(response, place, identity)
            case _ if response.status_code == HTTPStatus.ACCEPTED:
                raise CallFailedError("UPSTREAM_ERROR", "it took the request but gives no answer", sent=True)
            case kind:
                words = f"its answer is not JSON ({presentable(kind)[:_MAX_KIND] or 'no content type'})"
                raise CallFailedError("UPSTREAM_ERROR", words, sent=True)

    async def _hear(
        self, response: httpx.Response, place: "_Place", identity: RequestId | None = None
    ) -> dict[str, Any] | None:
        """Read a stream up to the answer to request `identity`, or to its end. The rest is the upstream's own news."""
        async with aclosing(events_of(response, self._answer_limit, self._pauses)) as events:
            async for event in events:
                place.note(event)
                if event.name != "message" or not event.data:
                    continue
                message = decoded(_countable(event.data))
                if message is not None and "method" in message:
                    if self._serving is not None:
                        self._serving.take(message)
                elif message is not None and identity is not None and _answers(message, identity):
                    await _ended(events)
                    return message
                elif message is None and identity is not None:
                    raise _no_json()
                else:
                    self.ignored += 1
        return None

    async def _resumed(self, identity: RequestId, place: "_Place") -> dict[str, Any] | None:
        """Go on with a stream that has ended too early, if the upstream has said where to.

        It may end a stream on purpose, so as to be asked again later.
        """
        if not place.identity or place.failures >= _MAX_RESUMED:
            raise CallFailedError("UPSTREAM_ERROR", "its stream ended without an answer", sent=True, transient=True)
        await asyncio.sleep(place.wait_s())
        with suppress(httpx.HTTPError):
            async with self._answered("GET", {**self._headers(), **place.header}) as response:
                if response.is_success and _kind(response) == _EVENTS:
                    return await self._hear(response, place, identity)
                place.identity = ""
        return None

    async def _refusal(self, response: httpx.Response) -> CallFailedError | MCPError:
        """What an answer without success says: an error in its body, or else what its status stands for."""
        in_session = SESSION_HEADER in response.request.headers
        if in_session and response.status_code == HTTPStatus.NOT_FOUND:
            return self.lose()
        body = await drained(response)
        if response.status_code not in BY_STATUS:
            message = decoded(body)
            if message is not None and "jsonrpc" in message and isinstance(message.get("error"), dict):
                error = error_of(message["error"])
                if in_session and response.status_code == HTTPStatus.BAD_REQUEST and _NO_SESSION in str(error).lower():
                    return self.lose()
                return error
        return failed_status(response)

    def lose(self) -> SessionGoneError:
        """Have the session end. What the upstream has answered already may arrive first."""
        gone = SessionGoneError()
        if not self._lost:
            self._lost, self._session = True, None
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, self.close, str(gone))
        return gone

    @asynccontextmanager
    async def _answered(
        self, verb: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> AsyncGenerator[httpx.Response]:
        """The upstream's response, not yet read. Redirects within its origin are followed, and kept to."""
        for _ in range(_MAX_REDIRECTS + 1):
            async with self._client.stream(verb, self._url, content=content, headers=dict(headers)) as response:
                moved = redirected(response)
                if moved is None:
                    yield response
                    return
            self._url = moved
        raise CallFailedError("UPSTREAM_ERROR", "the upstream redirects without end", sent=False)

    def _headers(self, message: Mapping[str, Any] | None = None) -> dict[str, str]:
        headers = {"accept": f"{_JSON}, {_EVENTS}", "content-type": _JSON}
        version = None if message is None else _modern_version(message["params"])
        if message is not None and version is not None:
            headers |= {MCP_PROTOCOL_VERSION_HEADER: version, MCP_METHOD_HEADER: message["method"]}
            name = message["params"].get(NAME_BEARING_METHODS.get(message["method"]))
            if isinstance(name, str):
                headers[MCP_NAME_HEADER] = encode_header_value(name)
        elif message is None or message["method"] != "initialize":
            if self._version is not None:
                headers[MCP_PROTOCOL_VERSION_HEADER] = self._version
            if self._session is not None:
                headers[SESSION_HEADER] = self._session
        return headers

    def _gone(self) -> str:
        return f"the upstream is gone: {self._closed.result()}"

    # From here on: what the SDK's sessions ask of a dispatcher.

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Send a request and wait for its result.

        Raises:
            MCPError: The answer was an error, there was none, or `opts["timeout"]` passed.

        """
        options = opts or {}
        cancel = options.get("cancel_on_abandon", True)
        try:
            with anyio.fail_after(options.get("timeout")):
                return await self.call(method, params or {}, options.get("request_id"), cancel=cancel)
        except CallFailedError as failed:
            raise MCPError(CONNECTION_CLOSED, str(failed)) from None
        except TimeoutError:
            raise MCPError(REQUEST_TIMEOUT, f"no answer to {method} in {options.get('timeout')} s") from None

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """Send a notification."""
        del opts
        if not self._closed.done():
            await self._post_and_forget(encoded({"jsonrpc": "2.0", "method": method, "params": params or {}}))

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve the peer's own requests and notifications until the session ends."""
        async with anyio.create_task_group() as tasks:
            self._serving = Serving(self, tasks, on_request, on_notify, on_notify_intercept)
            task_status.started()
            try:
                await self.closed()
            finally:
                self._serving = None
                tasks.cancel_scope.cancel()


@dataclass(slots=True)
class _Place:
    """How far a stream has been read."""

    identity: str = ""
    """Of the latest event; empty where the upstream gives none."""
    opened: bool = False
    failures: int = 0
    """How often in a row the stream has ended without an event."""
    _asked_s: float | None = None

    def note(self, event: Event) -> None:
        self.identity = event.identity or self.identity
        self._asked_s = self._asked_s if event.retry_s is None else event.retry_s
        self.failures = 0

    @property
    def header(self) -> dict[str, str]:
        return {"last-event-id": self.identity} if self.identity else {}

    def wait_s(self) -> float:
        """How long to wait before the stream is opened again."""
        wait_s = _RESUME_AFTER_S * 2**self.failures if self._asked_s is None else self._asked_s
        self.failures += 1
        return min(wait_s, _LONGEST_S)


async def _ended(events: AsyncGenerator[Event]) -> None:
    """Give a stream a moment to end: its connection can then be used again."""
    with suppress(httpx.HTTPError, CallFailedError, TimeoutError):
        async with asyncio.timeout(_LAST_EVENT_S):
            async for _ in events:
                pass


def _no_json() -> CallFailedError:
    return CallFailedError("UPSTREAM_ERROR", "its answer is not valid JSON", sent=True)


def _countable(message: bytes) -> bytes:
    """Refuse what takes many times its size in memory, and long to read: lists and objects without number."""
    if len(message) > _LONG and message.count(b"{") + message.count(b"[") > MAX_NODES:
        words = f"its answer is too large: it holds more than {MAX_NODES:,} lists and objects"
        raise CallFailedError("RESULT_TOO_LARGE", words, sent=True)
    return message


def _answers(message: Mapping[str, Any], identity: RequestId) -> bool:
    """Whether it is the answer to a request. One that the upstream could not read is answered without an id."""
    failed = isinstance(message.get("error"), dict)
    if message.get("id") is None:
        return failed
    answered = as_request_id(message["id"])
    says_something = failed or isinstance(message.get("result"), dict)
    return answered is not None and says_something and coerce_request_id(answered) == coerce_request_id(identity)


def _modern_version(params: Mapping[str, Any]) -> str | None:
    """The protocol version that a request names of itself, as it does in the era without sessions."""
    meta: object = params.get("_meta")
    version = cast("dict[str, Any]", meta).get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None


def _kind(response: httpx.Response) -> str:
    """The media type of `response`, in small letters and without parameters."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()
