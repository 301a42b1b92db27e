"""JSON-RPC over a duplex line: requests matched to answers, and nothing known of what carries the lines.

This is a Dispatcher in the SDK's sense, so that the SDK's ClientSession can run its handshakes over it. Calls take
the shorter way of `request`: one future each, no task, no validation of what only the caller can judge.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import anyio
from mcp.shared.dispatcher import CallOptions, as_request_id, coerce_request_id
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT, RequestId

from headgate.proxy.backpressure import weight_of
from headgate.proxy.connection import CallFailedError, TakenBackError
from headgate.proxy.edges import LONG, MAX_NODES, identity_between, identity_in, is_news, is_too_full
from headgate.proxy.input import Slip
from headgate.proxy.line import Line
from headgate.proxy.messages import encoded, error_of, heard
from headgate.proxy.output import EDGE, TooLong


class LineClosedError(Exception):
    """The line was gone. `sent` says whether the request had been handed to it before."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        """`reason` is a sentence without secrets."""
        super().__init__(reason)
        self.sent = sent


class Landing(Protocol):
    """Where an answer goes: a future, or what is like one."""

    def done(self) -> bool: ...  # noqa: D102
    def set_result(self, result: dict[str, Any], /) -> None: ...  # noqa: D102
    def set_exception(self, exception: Exception, /) -> None: ...  # noqa: D102


class Rpc(Line):
    """One end of a line. `receive` takes what comes in; `write`, to be set, gets what goes out, without newline."""

    def __init__(self) -> None:
        """Nothing can be sent before `write` is set."""
        super().__init__()
        self.write: Callable[[bytes], Slip | None]
        """Gives the slip of a line that may have to wait; without one it counts as sent."""
        self.take_back: Callable[[Slip], bool] = _too_late
        self.noise: Callable[[bytes], None] = _not_listened_to
        """Told each line that is no JSON-RPC."""
        self._last_id = 0
        self._pending: dict[RequestId, Request] = {}
        self._loop = asyncio.get_running_loop()

    def request(self, method: str, params: Mapping[str, Any]) -> "AwaitedRequest":
        """Send a request. Await what comes back, or call it off.

        Raises:
            LineClosedError: Nothing was sent.

        """
        self._last_id += 1
        return self._request(self._last_id, self._last_id, method, params)

    def begin(self, method: str, params: Mapping[str, Any], landing: Landing) -> "Request":
        """Send a request whose answer, or what comes instead, goes to `landing`.

        Raises:
            LineClosedError: Nothing was sent.

        """
        self._last_id += 1
        slip = self._written(self._last_id, method, params)
        request = self._pending[self._last_id] = Request(self, self._last_id, slip, landing)
        return request

    def _request(
        self, key: RequestId, identity: RequestId, method: str, params: Mapping[str, Any], *, is_call: bool = True
    ) -> "AwaitedRequest":
        slip = self._written(identity, method, params)
        request = AwaitedRequest(self, identity, slip, self._loop.create_future(), is_call=is_call)
        self._pending[key] = request
        return request

    def _written(self, identity: RequestId, method: str, params: Mapping[str, Any]) -> Slip | None:
        if self._closed.done():
            raise LineClosedError(self._closed.result(), sent=False)
        return self.write(encoded({"jsonrpc": "2.0", "id": identity, "method": method, "params": params}))

    def forget(self, identity: RequestId) -> None:
        """Expect no answer to a request any longer; one that comes is ignored."""
        self._pending.pop(coerce_request_id(identity), None)

    def tell(self, method: str, params: Mapping[str, Any] | None) -> None:
        """Send a notification; into a closed line it is dropped."""
        if not self._closed.done():
            params = {} if params is None else params
            self.write(encoded({"jsonrpc": "2.0", "method": method, "params": params}))

    def reply(self, message: Mapping[str, Any]) -> None:
        """Send the answer to a request of the peer's; into a closed line it is dropped."""
        if not self._closed.done():
            self.write(encoded(message))

    def receive(self, line: bytes) -> None:
        """Take one message in."""
        if len(line) > LONG and is_too_full(line, awaited=self._may_be_awaited(line)):
            self.unasked += weight_of(line)
            self._too_large(line[:EDGE], line[-EDGE:], f"it holds more than {MAX_NODES:,} lists and objects")
            return
        message = heard(line)
        if message is not None and "method" not in message and self._settle(message):
            return
        if message is None and self._is_broken_answer(line):
            return
        self.unasked += weight_of(line)
        if message is None:
            self.ignored += 1
            self.noise(line)
        elif "method" in message:
            self.take(message)

    def _may_be_awaited(self, line: bytes) -> bool:
        """Whether it is an answer that somebody waits for, as far as its edges tell."""
        if is_news(line):
            return False
        identity = identity_in(line)
        return self.expects if identity is None else coerce_request_id(identity) in self._pending

    def _is_broken_answer(self, line: bytes) -> bool:
        """Whether a line that is no JSON is an answer that is awaited all the same, such as one with NaN in it.

        Its request fails then: nobody is to wait for the end of their time for what has come.
        """
        head, tail = line[:EDGE], line[-EDGE:]
        if not tail.rstrip().endswith(b"}"):
            return False
        request = self._answered_between(head, tail)
        if request is None:
            return False
        self.noise(line)
        request.landing.set_exception(CallFailedError("UPSTREAM_ERROR", "its answer is not valid JSON", sent=True))
        return True

    def fail(self, identity: RequestId, failure: CallFailedError) -> None:
        """End one request: what carries the line knows that its answer will not come."""
        request = self._pending.pop(coerce_request_id(identity), None)
        if request is not None and not request.landing.done():
            request.landing.set_exception(failure)

    def lose(self, line: TooLong) -> None:
        """Take in that a message was too long to be kept: it fails the request that it answers, if that can be told."""
        size = megabytes(line.size) if line.ended else f"more than {megabytes(line.size)}"
        self._too_large(line.head, line.tail, f"it is {size}, and {megabytes(line.limit)} is the limit")

    def _too_large(self, head: bytes, tail: bytes, why: str) -> None:
        request = self._answered_between(head, tail)
        if request is None:
            self.ignored += 1
            self.noise(head)
            return
        message = f"its answer is too large: {why}"
        request.landing.set_exception(CallFailedError("RESULT_TOO_LARGE", message, sent=True))

    def _answered_between(self, head: bytes, tail: bytes) -> "Request | None":
        """The awaited request that a message answers of which only the edges are looked at; it is awaited no longer."""
        request = self._take_pending(identity_between(head, tail))
        return None if request is None or request.landing.done() else request

    def close(self, reason: str) -> None:
        """End every request that waits for an answer, and let `run` return."""
        if self._closed.done():
            return
        self._closed.set_result(reason)
        pending, self._pending = self._pending, {}
        for request in pending.values():
            if not request.landing.done():
                request.landing.set_exception(LineClosedError(reason, sent=request.sent))

    @property
    def expects(self) -> bool:
        """Whether an answer is awaited."""
        return bool(self._pending)

    def awaits(self, read_to: int) -> bool:
        """Whether a call is awaited that the peer has read, if it has read so many bytes of what was written."""
        return any(request.read_within(read_to) for request in self._pending.values())

    def _settle(self, message: dict[str, Any]) -> bool:
        """Give an answer to whoever waits for it; whether somebody did."""
        request = self._take_pending(message.get("id"))
        if request is None or request.landing.done():
            self.ignored += 1
            return False
        result = message.get("result")
        if isinstance(result, dict):
            request.landing.set_result(cast("dict[str, Any]", result))
        else:
            request.landing.set_exception(error_of(message.get("error")))
        return True

    def _take_pending(self, given: object) -> "Request | None":
        if type(given) is int:
            return self._pending.pop(given, None)
        identity = as_request_id(given)
        return None if identity is None else self._pending.pop(coerce_request_id(identity), None)

    # From here on: what the SDK's sessions ask of a dispatcher.

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Send a request and wait for its result.

        Raises:
            MCPError: The answer was an error, the line closed, or `opts["timeout"]` passed.

        """
        options = opts or {}
        try:
            request = self._chosen(options.get("request_id"), method, params or {})
            with anyio.fail_after(options.get("timeout")):
                return await request.answer(cancel=options.get("cancel_on_abandon", True))
        except (LineClosedError, CallFailedError) as closed:
            raise MCPError(CONNECTION_CLOSED, str(closed)) from None
        except TimeoutError:
            raise MCPError(REQUEST_TIMEOUT, f"no answer to {method} in {options.get('timeout')} s") from None

    def _chosen(self, identity: RequestId | None, method: str, params: Mapping[str, Any]) -> "AwaitedRequest":
        if identity is None:
            self._last_id += 1
            identity = self._last_id
        key = coerce_request_id(identity)
        if key in self._pending:
            raise ValueError(f"request id {identity!r} is already in flight")
        return self._request(key, identity, method, params, is_call=False)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """Send a notification."""
        del opts
        self.tell(method, params)


class Request:
    """A request that is on its way."""

    __slots__ = ("_is_call", "_rpc", "_slip", "identity", "landing")

    def __init__(
        self, rpc: Rpc, identity: RequestId, slip: Slip | None, landing: Landing, *, is_call: bool = True
    ) -> None:
        """`is_call` is false for what is not a call, and may be waited for for ever."""
        self._rpc = rpc
        self.identity = identity
        self._slip = slip
        self.landing = landing
        self._is_call = is_call

    @property
    def sent(self) -> bool:
        """Whether the peer may have seen any of it."""
        return self._slip is None or self._slip.begun

    def read_within(self, read_to: int) -> bool:
        """Whether it is a call that was read with the first so many bytes."""
        slip = self._slip
        return self._is_call and slip is not None and slip.end is not None and slip.end <= read_to

    def take_back(self) -> bool:
        """Keep it from the peer for good, if none of it has been sent; whether that is so."""
        return self._slip is not None and self._rpc.take_back(self._slip)

    def abandon(self, *, cancel: bool = True) -> bool:
        """Expect no answer any longer; whether the peer has seen nothing of the request, and never will.

        Where it may have, it is told to cancel it, unless `cancel` is false.
        """
        self._rpc.forget(self.identity)
        if self.take_back():
            return True
        if cancel:
            self._rpc.tell("notifications/cancelled", {"requestId": self.identity})
        return False


class AwaitedRequest(Request):
    """A request whose answer is waited for."""

    __slots__ = ("_future",)

    def __init__(
        self, rpc: Rpc, identity: RequestId, slip: Slip | None, future: asyncio.Future[dict[str, Any]], *, is_call: bool
    ) -> None:
        """The answer lands in `future`."""
        super().__init__(rpc, identity, slip, future, is_call=is_call)
        self._future = future

    async def answer(self, *, cancel: bool = True) -> dict[str, Any]:
        """Wait for the result. Abandoned, the peer is told to cancel it, unless `cancel` is false.

        Raises:
            LineClosedError: The line closed first.
            CallFailedError: An answer came and was too large, or none will come.
            MCPError: The peer answered with an error.
            TakenBackError: It was abandoned, and the peer has seen and will see nothing of it.

        """
        try:
            return await self._future
        except asyncio.CancelledError:
            if self.abandon(cancel=cancel):
                raise TakenBackError from None
            raise


def _too_late(_slip: Slip) -> bool:
    return False


def _not_listened_to(_line: bytes) -> None:
    pass


def megabytes(size: int) -> str:
    """A size for a reader, such as `8 MB` or `67.1 MB`."""
    return f"{size / 1_000_000:.1f} MB".replace(".0 ", " ")
