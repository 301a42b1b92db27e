"""Our own side of stdio: lines in and out over the event loop's pipes.

The SDK's own reads and writes in worker threads, which costs more a message than most calls and cannot be cancelled.
"""

import asyncio
import logging
import os
import sys
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, cast

import anyio
import mcp_types as types
from mcp.shared.dispatcher import as_request_id
from mcp.shared.message import SessionMessage
from pydantic_core import from_json

from headgate.proxy.messages import BYTE_ORDER_MARK, decoded, encoded, mended
from headgate.server.lines import (
    MAX_LINE,
    LineSink,
    LineSource,
    LineTooLongError,
    ends_with_its_client,
    sink_of,
    source_of,
)

logger = logging.getLogger(__name__)

MAX_AHEAD = 8
"""Messages before a session's first request that are kept."""
_REFUSED = "this is no JSON-RPC 2.0 request, or is nested too deeply to be read"
OF_REQUESTS = {"jsonrpc", "id", "method", "params"}
"""The members of a request that says nothing unusual."""


@asynccontextmanager
async def stdio_streams(answered: Callable[[], None]) -> AsyncGenerator[tuple["LinesIn", "LinesOut"]]:
    """The process's stdin and stdout as streams of messages, for as long as the context is open.

    `answered` is called whenever a message has gone out. Meanwhile file descriptor 0 reads as empty and 1 is stderr:
    nothing that prints can spoil the protocol.
    """
    sys.stdout.flush()
    wire_in, wire_out = os.dup(0), os.dup(1)
    diverted_in = os.open(os.devnull, os.O_RDONLY)
    os.dup2(diverted_in, 0)
    os.close(diverted_in)
    os.dup2(2, 1)
    try:
        unanswered = Unanswered()
        source = await source_of(os.dup(wire_in))
        sink = sink_of(os.dup(wire_out))
        try:
            yield (
                LinesIn(source, unanswered, wait=not ends_with_its_client(wire_in)),
                LinesOut(sink, unanswered, answered),
            )
        finally:
            source.close()
            await sink.close()
    finally:
        sys.stdout.flush()  # what was printed meanwhile, before file descriptor 1 is the protocol's again
        for wire, standard in ((wire_in, 0), (wire_out, 1)):
            # The event loop made it non-blocking, and a terminal is shared with whoever started us.
            os.set_blocking(wire, True)
            os.dup2(wire, standard)
            os.close(wire)


class Unanswered:
    """The requests that wait for their answer. A client may use an id twice."""

    def __init__(self) -> None:
        """No request yet."""
        self._ids: Counter[types.RequestId] = Counter()
        self._others: set[types.RequestId] = set()
        """Those that are no calls."""
        self._none = asyncio.Event()
        self._none.set()
        self.called_off: Callable[[types.RequestId], None] = _not_listened_to
        """Told which request the client does not want an answer to any more."""

    def came_in(self, message: types.JSONRPCMessage) -> None:
        """Note a request; a subscription is answered only when it ends, and one called off never is."""
        if isinstance(message, types.JSONRPCRequest) and message.method != "subscriptions/listen":
            self._ids[message.id] += 1
            self._none.clear()
            if message.method != "tools/call":
                self._others.add(message.id)
        elif isinstance(message, types.JSONRPCNotification) and message.method == "notifications/cancelled":
            identity = as_request_id((message.params or {}).get("requestId"))
            if identity is not None:
                self._settle(identity)
                self.called_off(identity)

    def went_out(self, message: types.JSONRPCMessage) -> None:
        """Note an answer."""
        if isinstance(message, types.JSONRPCResponse | types.JSONRPCError) and message.id is not None:
            self._settle(message.id)

    async def none_left(self) -> None:
        """Wait until every request has been answered."""
        await self._none.wait()

    @property
    def only_calls(self) -> bool:
        """Whether nothing but calls waits for its answer."""
        return not self._others

    def _settle(self, identity: types.RequestId) -> None:
        if identity in self._ids:
            self._ids[identity] -= 1
            if not self._ids[identity]:
                del self._ids[identity]  # a session may see millions of ids
                self._others.discard(identity)
        if not self._ids:
            self._none.set()


class _Stream:
    """What the SDK asks of a stream beside its messages."""

    async def aclose(self) -> None:
        """The context of `stdio_streams` closes both ends."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


class LinesIn(_Stream):
    """Messages from the client; what is no message comes as an exception, as the SDK expects."""

    def __init__(self, source: LineSource, unanswered: Unanswered, *, wait: bool) -> None:
        """`wait` says that the end of `source` stands only once every request has been answered."""
        self.source = source
        self.unanswered = unanswered
        self._wait = wait
        self.refused: Callable[[Mapping[str, Any]], None] = _not_told
        """Takes the answer to a request that is none."""
        self._ahead: deque[SessionMessage | Exception] = deque()

    async def opening(self) -> types.JSONRPCRequest | None:
        """The first request, which is still to be received, as is what came before it; `None` where none comes."""
        while True:
            try:
                item = await self._next()
            except anyio.EndOfStream:
                return None
            message = item.message if isinstance(item, SessionMessage) else None
            if isinstance(message, types.JSONRPCRequest):
                self._ahead.append(item)
                return message
            if len(self._ahead) < MAX_AHEAD:
                self._ahead.append(item)

    async def receive(self) -> SessionMessage | Exception:
        """The next message.

        Raises:
            anyio.EndOfStream: The client has closed our stdin.

        """
        return self._ahead.popleft() if self._ahead else await self._next()

    async def _next(self) -> SessionMessage | Exception:
        while True:
            try:
                line = await self.source.next_line()
            except LineTooLongError:
                text = f"a message of more than {MAX_LINE // 1024 // 1024} MB was dropped"
                logger.warning("%s", text)
                return ValueError(text)
            if line is None:
                if self._wait:
                    await self.unanswered.none_left()
                raise anyio.EndOfStream
            if line.strip():
                return self._message(line)

    def _message(self, line: bytes) -> SessionMessage | Exception:
        try:
            message = _message_in(line)
        except ValueError as malformed:
            self._refuse(line)
            return malformed
        self.unanswered.came_in(message)
        return SessionMessage(message)

    def _refuse(self, line: bytes) -> None:
        """Answer a request that is none as far as can be told: its client would wait for ever."""
        message = decoded(line) or {}
        identity = as_request_id(message.get("id"))
        if identity is not None and "method" in message:
            error = {"code": types.INVALID_REQUEST, "message": _REFUSED}
            self.refused({"jsonrpc": "2.0", "id": identity, "error": error})

    def __aiter__(self) -> Self:
        """Iterate over the messages."""
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        """The next message, until the client is done."""
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


class LinesOut(_Stream):
    """Messages to the client, each waiting until there is room."""

    def __init__(self, sink: LineSink, unanswered: Unanswered, answered: Callable[[], None]) -> None:
        """Write to `sink`, and call `answered` whenever something has been written."""
        self.sink = sink
        self._answered = answered
        self._unanswered = unanswered

    def answer(self, message: Mapping[str, Any]) -> None:
        """Send an answer of our own, without waiting."""
        self.sink.write(encoded(message))

    async def send(self, item: SessionMessage, /) -> None:
        """Send one message.

        Raises:
            anyio.BrokenResourceError: The client no longer reads.

        """
        try:
            await self.sink.put(_encoded(item.message))
        except OSError:
            raise anyio.BrokenResourceError from None
        finally:
            self._unanswered.went_out(item.message)
            self._answered()


def _message_in(line: bytes) -> types.JSONRPCMessage:
    """The message that a line holds.

    Raises:
        ValueError: It is none.

    """
    try:
        return _request_in(line) or types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        # A program in JavaScript sends half of an emoji where a model has cut one: no parser here takes that.
        whole = mended(line.removeprefix(BYTE_ORDER_MARK))
        if whole == line:
            raise
        return types.jsonrpc_message_adapter.validate_json(whole, by_name=False)


def _request_in(line: bytes) -> types.JSONRPCRequest | None:
    """The request that a line holds; `None` for anything else. To try every kind of message takes twice as long."""
    try:
        fields: object = from_json(line)
        if isinstance(fields, dict) and cast("dict[str, Any]", fields).keys() == OF_REQUESTS:
            return types.JSONRPCRequest.model_validate(fields, by_name=False)
    except ValueError:
        pass
    return None


def _encoded(message: types.JSONRPCMessage) -> bytes:
    if isinstance(message, types.JSONRPCResponse):
        return encoded({"jsonrpc": "2.0", "id": message.id, "result": message.result})
    return message.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _not_told(_answer: Mapping[str, Any]) -> None:
    pass


def _not_listened_to(_identity: types.RequestId) -> None:
    pass
