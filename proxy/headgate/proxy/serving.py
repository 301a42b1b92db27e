"""What an upstream asks of us, or tells us, of its own accord."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import anyio.abc
from mcp.shared.dispatcher import (
    CallOptions,
    OnNotify,
    OnNotifyIntercept,
    OnRequest,
    Outbound,
    as_request_id,
    run_notify_intercept,
)
from mcp.shared.exceptions import MCPError
from mcp.shared.message import MessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, RequestId
from pydantic import ValidationError

from headgate.proxy.backpressure import HANDLED

logger = logging.getLogger(__name__)

MAX_SERVED = 64
"""Requests and notifications of the peer's that are seen to at the same time."""
_IDLE_NEWS = frozenset({"notifications/message", "notifications/progress"})
"""Notifications that nobody here waits for, and that an upstream may send by the thousand."""
_WRONG_PARAMS = "the parameters are not as they should be"


class Answering(Outbound, Protocol):
    """Whatever carries messages both ways."""

    ignored: int
    """Messages that were no JSON-RPC, or answers that nobody waits for (any more)."""
    unasked: int
    """What weighs everything that came in and was no awaited answer."""

    def reply(self, message: Mapping[str, Any]) -> None:
        """Send the answer to a request of the peer's; where nothing can be sent any more it is dropped."""
        ...


@dataclass(slots=True)
class Serving:
    """The handlers of the peer's own requests and notifications, and the tasks that they run in."""

    line: Answering
    tasks: anyio.abc.TaskGroup
    on_request: OnRequest
    on_notify: OnNotify
    intercept: OnNotifyIntercept | None
    under_way: int = 0

    def take(self, message: dict[str, Any]) -> None:
        """Have a message handled that has a `method`."""
        method: object = message["method"]
        params: Any = message.get("params")
        identity = as_request_id(message.get("id"))
        fits = _fits(params)
        if not isinstance(method, str) or (identity is None and not fits):
            self.line.ignored += 1
        elif identity is not None and not fits:
            error = {"code": INVALID_PARAMS, "message": _WRONG_PARAMS}
            self.line.reply({"jsonrpc": "2.0", "id": identity, "error": error})
        elif identity is None and (run_notify_intercept(self.intercept, method, params) or method in _IDLE_NEWS):
            pass
        elif self.under_way < MAX_SERVED:
            self.under_way += 1
            self.line.unasked += HANDLED
            self.tasks.start_soon(self._serve, identity, method, params)
        elif identity is not None:
            error = {"code": INTERNAL_ERROR, "message": "too many requests at once"}
            self.line.reply({"jsonrpc": "2.0", "id": identity, "error": error})
        else:
            self.line.ignored += 1

    async def _serve(self, identity: RequestId | None, method: str, params: Mapping[str, Any] | None) -> None:
        try:
            if identity is None:
                await self._note(method, params)
            else:
                await self._answer(identity, method, params)
        finally:
            self.under_way -= 1

    async def _answer(self, identity: RequestId, method: str, params: Mapping[str, Any] | None) -> None:
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": identity}
        try:
            reply["result"] = await self.on_request(_Inbound(self.line, identity), method, params)
        except MCPError as error:
            reply["error"] = {"code": error.code, "message": error.message}
        except ValidationError:
            reply["error"] = {"code": INVALID_PARAMS, "message": _WRONG_PARAMS}
        except Exception:
            logger.exception("answering %s failed", method)
            reply["error"] = {"code": INTERNAL_ERROR, "message": "internal error"}
        self.line.reply(reply)

    async def _note(self, method: str, params: Mapping[str, Any] | None) -> None:
        try:
            await self.on_notify(_Inbound(self.line, None), method, params)
        except ValidationError:
            self.line.ignored += 1
        except Exception:
            logger.exception("the notification %s failed", method)


def _fits(params: object) -> bool:
    return params is None or isinstance(params, dict)


_LINE = TransportContext(kind="stdio", can_send_request=True)


class _Inbound:
    """The context of one request or notification that came in."""

    message_metadata: MessageMetadata = None
    transport = _LINE
    can_send_request = True

    def __init__(self, line: Answering, request_id: RequestId | None) -> None:
        self._line = line
        self.request_id = request_id
        self.cancel_requested = anyio.Event()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        return await self._line.send_raw_request(method, params, opts)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        await self._line.notify(method, params, opts)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """The peer gave no token that this end knows of."""
