"""JSON-RPC over a duplex line: requests matched to answers, and nothing known of what carries the lines.

This is a Dispatcher in the SDK's sense, so that the SDK's ClientSession can run its handshakes over it. Calls take
the shorter way of `request`: one future each, no task, no validation of what only the caller can judge.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import anyio
import anyio.abc
import orjson
from mcp.shared.dispatcher import (
    CallOptions,
    Dispatcher,
    OnNotify,
    OnNotifyIntercept,
    OnRequest,
    as_request_id,
    coerce_request_id,
    run_notify_intercept,
)
from mcp.shared.exceptions import MCPError
from mcp.shared.message import MessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, REQUEST_TIMEOUT, RequestId

logger = logging.getLogger(__name__)


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
        self._serving: _Serving | None = None
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
        self.write(_encoded({"jsonrpc": "2.0", "id": identity, "method": method, "params": params}))
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
            self.write(_encoded({"jsonrpc": "2.0", "method": method, "params": params}))

    def reply(self, message: Mapping[str, Any]) -> None:
        """Send the answer to a request of the peer's; into a closed line it is dropped."""
        if not self._closed.done():
            self.write(_encoded(message))

    def receive(self, line: bytes) -> None:
        """Take one message in."""
        try:
            message = orjson.loads(line)
        except orjson.JSONDecodeError:
            self.ignored += 1
            return
        if not isinstance(message, dict):
            self.ignored += 1
            return
        fields = cast("dict[str, Any]", message)
        if "method" in fields:
            if self._serving is not None:
                self._serving.take(fields)
        else:
            self._settle(fields)

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
            answer.set_exception(_error_of(error))

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
        except LineClosedError as closed:
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
            self._serving = _Serving(self, tasks, on_request, on_notify, on_notify_intercept)
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


def _encoded(message: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(message)
    except TypeError:
        # An integer of more than 64 bits or half a surrogate pair: JSON all the same.
        return json.dumps(message, separators=(",", ":")).encode()


def _error_of(error: object) -> MCPError:
    fields = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
    code, message = fields.get("code"), fields.get("message")
    return MCPError(
        code if isinstance(code, int) else INTERNAL_ERROR,
        message if isinstance(message, str) else "the answer is neither a result nor an error",
        fields.get("data"),
    )


@dataclass(frozen=True, slots=True)
class _Serving:
    """What the peer asks of us while `run` is under way."""

    rpc: Rpc
    tasks: anyio.abc.TaskGroup
    on_request: OnRequest
    on_notify: OnNotify
    intercept: OnNotifyIntercept | None

    def take(self, message: dict[str, Any]) -> None:
        method, params = message["method"], message.get("params")
        identity = as_request_id(message.get("id"))
        if not isinstance(method, str):
            self.rpc.ignored += 1
        elif identity is not None:
            self.tasks.start_soon(self._answer, identity, method, params)
        elif not run_notify_intercept(self.intercept, method, params):
            self.tasks.start_soon(self._note, method, params)

    async def _answer(self, identity: RequestId, method: str, params: Mapping[str, Any] | None) -> None:
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": identity}
        try:
            reply["result"] = await self.on_request(_Inbound(self.rpc, identity), method, params)
        except MCPError as error:
            reply["error"] = {"code": error.code, "message": error.message}
        except Exception:
            logger.exception("answering %s failed", method)
            reply["error"] = {"code": INTERNAL_ERROR, "message": "internal error"}
        self.rpc.reply(reply)

    async def _note(self, method: str, params: Mapping[str, Any] | None) -> None:
        try:
            await self.on_notify(_Inbound(self.rpc, None), method, params)
        except Exception:
            logger.exception("the notification %s failed", method)


_LINE = TransportContext(kind="stdio", can_send_request=True)


class _Inbound:
    """The context of one request or notification that came in."""

    message_metadata: MessageMetadata = None
    transport = _LINE
    can_send_request = True

    def __init__(self, rpc: Rpc, request_id: RequestId | None) -> None:
        self._rpc = rpc
        self.request_id = request_id
        self.cancel_requested = anyio.Event()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        return await self._rpc.send_raw_request(method, params, opts)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        await self._rpc.notify(method, params, opts)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """The peer gave no token that this end knows of."""
