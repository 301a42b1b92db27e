"""JSON-RPC over a duplex line: requests matched to answers, and nothing known of what carries the lines.

This is a Dispatcher in the SDK's sense, so that the SDK's ClientSession can run its handshakes over it. Calls take
the shorter way of `request`: one future each, no task, no validation of what only the caller can judge.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import anyio
import anyio.abc
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
from mcp.shared.transport_context import TransportContext
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT, RequestId

from headgate.proxy.connection import CallFailedError
from headgate.proxy.messages import decoded, encoded, error_of
from headgate.proxy.serving import Serving


class LineClosedError(Exception):
    """The line was gone. `sent` says whether the request had been handed to it before."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        """`reason` is a sentence without secrets."""
        super().__init__(reason)
        self.sent = sent


class Rpc(Dispatcher[TransportContext]):
    """One end of a line. `receive` takes what comes in; `write`, to be set, gets what goes out, without newline."""

    def __init__(self) -> None:
        """Nothing can be sent before `write` is set."""
        self.write: Callable[[bytes], None]
        self._last_id = 0
        self._pending: dict[RequestId, asyncio.Future[dict[str, Any]]] = {}
        self._closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._serving: Serving | None = None
        self.ignored = 0
        """Messages that were no JSON-RPC, or answers that nobody waits for (any more)."""

    def request(self, method: str, params: Mapping[str, Any], identity: RequestId | None = None) -> "Request":
        """Send a request. Await what comes back, or call it off.

        Raises:
            LineClosedError: Nothing was sent.

        """
        if self._closed.done():
            raise LineClosedError(self._closed.result(), sent=False)
        if identity is None:
            self._last_id += 1
            identity = self._last_id
        key = coerce_request_id(identity)
        if key in self._pending:
            raise ValueError(f"request id {identity!r} is already in flight")
        self.write(encoded({"jsonrpc": "2.0", "id": identity, "method": method, "params": params}))
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[key] = answer
        return Request(self, identity, answer)

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
        message = decoded(line)
        if message is None:
            self.ignored += 1
        elif "method" not in message:
            self._settle(message)
        elif self._serving is not None:
            self._serving.take(message)

    def fail(self, identity: RequestId, failure: CallFailedError) -> None:
        """End one request: what carries the line knows that its answer will not come."""
        answer = self._pending.pop(coerce_request_id(identity), None)
        if answer is not None and not answer.done():
            answer.set_exception(failure)

    def close(self, reason: str) -> None:
        """End every request that waits for an answer, and let `run` return."""
        if self._closed.done():
            return
        self._closed.set_result(reason)
        pending, self._pending = self._pending, {}
        for answer in pending.values():
            if not answer.done():
                answer.set_exception(LineClosedError(reason, sent=True))

    async def closed(self) -> str:
        """Wait for `close`; the reason that it was given."""
        return await asyncio.shield(self._closed)

    def _settle(self, message: dict[str, Any]) -> None:
        identity = as_request_id(message.get("id"))
        answer = None if identity is None else self._pending.pop(coerce_request_id(identity), None)
        if answer is None or answer.done():
            self.ignored += 1
            return
        result, error = message.get("result"), message.get("error")
        if isinstance(result, dict):
            answer.set_result(cast("dict[str, Any]", result))
        else:
            answer.set_exception(error_of(error))

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
            request = self.request(method, params or {}, options.get("request_id"))
            with anyio.fail_after(options.get("timeout")):
                return await request.answer(cancel=options.get("cancel_on_abandon", True))
        except (LineClosedError, CallFailedError) as closed:
            raise MCPError(CONNECTION_CLOSED, str(closed)) from None
        except TimeoutError:
            raise MCPError(REQUEST_TIMEOUT, f"no answer to {method} in {options.get('timeout')} s") from None

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """Send a notification."""
        del opts
        self.tell(method, params)

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve the peer's own requests and notifications until the line closes."""
        async with anyio.create_task_group() as tasks:
            self._serving = Serving(self, tasks, on_request, on_notify, on_notify_intercept)
            task_status.started()
            try:
                await self.closed()
            finally:
                self._serving = None
                tasks.cancel_scope.cancel()


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has been sent."""

    _rpc: Rpc
    identity: RequestId
    _answer: asyncio.Future[dict[str, Any]]

    async def answer(self, *, cancel: bool = True) -> dict[str, Any]:
        """Wait for the result. Abandoned, the peer is told to cancel it, unless `cancel` is false.

        Raises:
            LineClosedError: The line closed first.
            MCPError: The peer answered with an error.

        """
        try:
            return await self._answer
        except asyncio.CancelledError:
            self._rpc.forget(self.identity)
            if cancel:
                self._rpc.tell("notifications/cancelled", {"requestId": self.identity})
            raise
