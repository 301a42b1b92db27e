"""MCP servers over the legacy SSE transport: answers come by one long stream, requests go out as POSTs.

The SDK's own client for it takes no answer above 1 MB and sends nothing more once a POST has failed, so the line is
ours; the handshake over it is the SDK's.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import httpx2 as httpx
from mcp.shared.dispatcher import as_request_id
from mcp.shared.exceptions import MCPError

from headgate.proxy.connection import MAX_ANSWER, CallFailedError, Connection, Open, Opening, UnavailableError
from headgate.proxy.http import client_of, secrets_of
from headgate.proxy.http_body import Pauses, drained, events_of
from headgate.proxy.http_failure import broken, failed_status
from headgate.proxy.http_session import COURTESY_S
from headgate.proxy.input import Slip
from headgate.proxy.messages import decoded
from headgate.proxy.oauth.bearer import Bearer
from headgate.proxy.oauth.ending import Ending
from headgate.proxy.recall import FIRST_BYTE, RECALL
from headgate.proxy.rpc import LineClosedError, Rpc
from headgate.proxy.session import SessionConnection, answered_with_error, line_closed, negotiated
from headgate.proxy.target import HttpTarget


def sse_opener(
    target: HttpTarget, concurrency: int, answer_limit: int = MAX_ANSWER, bearer: Bearer | None = None
) -> Open:
    """An opener for the server whose stream is at `target`, with a connection for each of `concurrency` calls.

    Answers of more than `answer_limit` bytes are not taken in. `bearer` has the token, where the server may want one.
    """

    @asynccontextmanager
    async def open_session(opening: Opening) -> AsyncGenerator[Connection]:
        rpc = Rpc()
        secrets = secrets_of(target, bearer)
        async with client_of(target, concurrency, bearer) as client, anyio.create_task_group() as tasks:
            line = _Line(client, rpc, tasks, answer_limit, Ending(rpc.close), lambda: secrets_of(target, bearer))
            line.post_to = await tasks.start(line.listen, target.url)
            rpc.write, rpc.take_back = line.write, line.take_back
            try:
                async with negotiated(rpc, opening, secrets) as (session, meta):
                    yield SessionConnection(line.send, rpc.closed, meta, line.secrets(), session)
            finally:
                rpc.close("headgate has closed the session")
                if bearer is not None:
                    await bearer.part()
                tasks.cancel_scope.cancel()

    return open_session


class _Posting(Slip):
    """One message on its way, in a POST of its own."""

    __slots__ = ("identity", "scope")

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        fields = decoded(message) or {}
        self.identity = as_request_id(fields.get("id")) if "method" in fields else None
        """Of a request; `None` for what has no answer."""
        self.scope = anyio.CancelScope()

    def end_soon(self) -> None:
        """Let go of what nobody waits for any more: a server may take a message and never answer its POST."""
        self.scope.deadline = anyio.current_time() + COURTESY_S

    async def trace(self, step: str, _about: Mapping[str, Any]) -> None:
        """Take note that it goes out, unless it was taken back."""
        if step.endswith(FIRST_BYTE):
            await anyio.lowlevel.checkpoint_if_cancelled()
            self.begun = True


@dataclass(slots=True)
class _Line:
    """One stream of answers, and where requests are posted to."""

    client: httpx.AsyncClient
    rpc: Rpc
    tasks: anyio.abc.TaskGroup
    answer_limit: int
    ending: Ending
    secrets: Callable[[], frozenset[str]]
    post_to: httpx.URL = field(default_factory=httpx.URL)
    latest: _Posting | None = None

    async def send(
        self, method: str, params: dict[str, Any], _headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        try:
            with self.ending.after_all():
                request = self.rpc.request(method, params)
                posting, recall = self.latest, RECALL.get()
                if recall is not None:
                    recall.take_back = request.take_back
                try:
                    return await request.answer()
                finally:
                    if posting is not None:
                        posting.end_soon()
        except LineClosedError as closed:
            raise line_closed(closed) from None
        except MCPError as error:
            raise answered_with_error(error, self.secrets()) from None

    def write(self, message: bytes) -> Slip:
        posting = self.latest = _Posting(message)
        if posting.identity is None:
            posting.end_soon()
        self.tasks.start_soon(self._post, posting)
        return posting

    def take_back(self, slip: Slip) -> bool:
        if slip.begun or not isinstance(slip, _Posting):
            return False
        slip.scope.cancel()
        return True

    async def listen(self, url: str, *, task_status: anyio.abc.TaskStatus[httpx.URL]) -> None:
        """Read the stream to its end. Its first event says where requests go."""
        opened = False
        try:
            async with self.client.stream("GET", url, headers={"Accept": "text/event-stream"}) as response:
                if not response.is_success:
                    raise UnavailableError(str(failed_status(response)))
                async for event in events_of(response, self.answer_limit, Pauses(self.rpc), drain=True):
                    if event.name == "endpoint" and not opened:
                        task_status.started(_within_origin(response.url, event.data.decode(errors="replace")))
                        opened = True
                    elif event.too_long is not None:
                        self.rpc.lose(event.too_long)
                    elif event.name == "message":
                        self.rpc.receive(event.data)
            reason = "the upstream ended the session"
        except CallFailedError as failed:
            reason = str(failed)
        except httpx.HTTPError as error:
            reason = str(broken(error, httpx.URL(url)))
        if not opened:
            raise UnavailableError(reason)
        self.rpc.close(reason)

    async def _post(self, posting: _Posting) -> None:
        with posting.scope:
            failure = await self._failure_of(posting)
            if failure is not None and posting.identity is not None:
                self.rpc.fail(posting.identity, failure)

    async def _failure_of(self, posting: _Posting) -> CallFailedError | None:
        headers, extensions = {"Content-Type": "application/json"}, {"trace": posting.trace}
        try:
            async with self.client.stream(
                "POST", self.post_to, content=posting.line, headers=headers, extensions=extensions
            ) as response:
                await drained(response)
                return None if response.is_success else failed_status(response)
        except CallFailedError as no_access:
            return no_access
        except httpx.HTTPError as error:
            return broken(error, self.post_to)


def _within_origin(stream: httpx.URL, endpoint: str) -> httpx.URL:
    """Where requests go: an upstream must not send them, with the headers that are its own, anywhere else."""
    try:
        url = stream.join(endpoint)
    except httpx.InvalidURL:
        raise UnavailableError("the upstream names no address for its requests") from None
    if (url.scheme, url.host, url.port) != (stream.scheme, stream.host, stream.port):
        raise UnavailableError("the upstream names an address of another server for its requests")
    return url
