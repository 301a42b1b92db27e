"""The seam between an upstream and the way to it: open sessions, and what calls through them raise."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from headgate.tools.outcome import ErrorCode, Failure
from headgate.tools.rules import ToolClass

if TYPE_CHECKING:
    from headgate.proxy.client import Client
    from headgate.proxy.direct import Direct

MAX_ANSWER = 8_000_000
"""Bytes of one message of an upstream, decompressed, unless the operator says otherwise. More is not taken in."""


MAX_LATE = 16
"""Writes of one upstream that are left to run on when their callers have given up, and take up a connection."""


class CallFailedError(Exception):
    """A call gave no result. Raised by connections and by the wrappers around them."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        sent: bool,
        transient: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        """`sent` says whether the upstream may have seen any of the call.

        `transient` says that the way to the upstream failed and not the call, so that the same call may well succeed
        if it is made again; `retry_after_s` is when, in seconds, where the upstream said so.
        """
        super().__init__(message)
        self.code: ErrorCode = code
        self.sent = sent
        self.transient = transient
        self.retry_after_s = retry_after_s

    def copy(self) -> "CallFailedError":
        """The same failure, to be raised by somebody else: an exception remembers where it was raised."""
        other = type(self).__new__(type(self), *self.args)
        other.__dict__.update(self.__dict__)
        return other

    def told(self, kind: ToolClass) -> "CallFailedError":
        """The same failure as the caller of a read or a write is told of it."""
        failure = self.failure(kind)
        return CallFailedError(failure.code, failure.message, sent=self.sent, retry_after_s=failure.retry_after_s)

    def failure(self, kind: ToolClass) -> Failure:
        """What the caller of a read or a write is told. A write that may have been applied is never just an error."""
        if kind == "write" and self.sent:
            return Failure("unknown", "OUTCOME_UNKNOWN", f"{self}. {_MAY_HAVE_BEEN_APPLIED}")
        return Failure(_STATUS.get(self.code, "error"), self.code, str(self), self.retry_after_s)


_STATUS: dict[ErrorCode, Literal["timeout", "skipped"]] = {"TOOL_TIMEOUT": "timeout", "OVERLOADED": "skipped"}
_MAY_HAVE_BEEN_APPLIED = "It may have been applied: check with a read, and never send it again under another key"


class AnsweredWithErrorError(CallFailedError):
    """The upstream answered the call, with a protocol error: it is known not to be running."""

    def __init__(self, message: str, rpc_code: int = -32603, data: object = None) -> None:
        """`message` is the upstream's own, made presentable; `rpc_code` and `data` are its error's."""
        super().__init__("UPSTREAM_ERROR", message, sent=False)
        self.rpc_code = rpc_code
        self.data = data

    def told(self, kind: ToolClass) -> CallFailedError:
        """Itself: it was answered, so there is nothing in doubt, unless an earlier attempt of a write was not."""
        return super().told(kind) if kind == "write" and self.sent else self


class TurnedAwayError(CallFailedError):
    """A call was not let set out. What it lacked, time or room, the next caller may have."""

    def __init__(self, code: ErrorCode, message: str, *, retry_after_s: float | None) -> None:
        """Nothing of it was sent."""
        super().__init__(code, message, sent=False, retry_after_s=retry_after_s)


class SessionGoneError(CallFailedError):
    """The session has ended, and the upstream did not execute the call: it may be made over the next one."""

    def __init__(self, message: str = "the upstream no longer knows the session") -> None:
        """Nobody is at fault: upstreams are restarted."""
        super().__init__("UPSTREAM_UNAVAILABLE", message, sent=False, transient=True)


class SessionCameError(CallFailedError):
    """A call has waited for its session, and then was not sent: the token that it had was for another time."""

    def __init__(self, *, spent: bool) -> None:
        """It is to be sent as soon as it has another. `spent` says that it has been sent over the session before."""
        self.spent = spent
        super().__init__("UPSTREAM_UNAVAILABLE", "the upstream came back too late for it", sent=False, transient=True)


class TakenBackError(asyncio.CancelledError):
    """A call was cancelled before any of it had been sent, and now never will be."""


class Connection(Protocol):
    """One open session with an upstream. Calls may be made from any task; cancelling one cancels it upstream."""

    async def list_tools(self) -> Sequence[Mapping[str, Any]]:
        """The upstream's tools, as declared on the wire.

        Raises:
            CallFailedError: The upstream did not answer, or not with a list of tools.

        """
        ...

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """The `tools/call` result of the upstream's own tool `name`.

        `meta` is added to the request's own `_meta`. `headers` go with the HTTP request of this one call; what does not
        go over HTTP takes none, and the settings see to it that it gets none.

        Raises:
            CallFailedError: There is no result, and why.
            TakenBackError: Instead of CancelledError, where the upstream has seen and will see nothing of the call.

        """
        ...

    def begin(self, direct: "Direct") -> bool:
        """Send a call whose answer goes to `direct`, if that needs no waiting; whether it has been sent."""
        ...

    async def closed(self) -> str:
        """Wait until the session has ended; the reason, as a sentence without secrets."""
        ...


@dataclass(frozen=True, slots=True)
class Opening:
    """What an opener is told: who is asking, and whom to tell of what concerns no single request."""

    upstream: str
    tools_changed: Callable[[], None]
    news: Callable[[str, Mapping[str, Any]], None] = lambda _method, _params: None
    """Takes other notifications of what the upstream offers: method and params."""
    anyone: "Callable[[], Client | None]" = lambda: None
    """Gives the only client there is, where there is only one: for what the upstream asks outside of any request."""


Open = Callable[[Opening], AbstractAsyncContextManager[Connection]]
"""Opens a session. It is entered and left by one task; an error to enter carries a reason without secrets."""


class UnavailableError(Exception):
    """An upstream could not be reached. Its text is a sentence for whoever configured it, without secrets."""
