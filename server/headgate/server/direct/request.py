"""One request without a task, from its line to its answer."""

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import mcp_types as types
from mcp.shared.exceptions import MCPError

from headgate.proxy.direct import Direct
from headgate.proxy.rounds import requires_input
from headgate.server.direct.context import Context
from headgate.server.fit import is_question
from headgate.server.front import ASKS_IN_VAIN, STUMBLED, Front, explained, failed_result
from headgate.server.passing.clients import RequestClient, RoundsClient
from headgate.server.passing.desk import Desk

if TYPE_CHECKING:
    from headgate.server.runs import Running

logger = logging.getLogger(__name__)


class Era(Protocol):
    """What is different for a client of either era."""

    def context(self, identity: types.RequestId, params: dict[str, Any]) -> Context | None:
        """The context of a `tools/call`; `None` if the call is not plain in every respect."""
        ...

    def client(self, ctx: Context, desk: Desk) -> RequestClient:
        """Whom the upstream of a read may ask and tell something."""
        ...

    def fit(self, result: Mapping[str, Any]) -> Mapping[str, Any]:
        """A result as the client is sent it."""
        ...

    def stamped(self, result: dict[str, Any]) -> Mapping[str, Any]:
        """The same of a result that holds nothing but texts and data."""
        ...


class Calls(Protocol):
    """Those that it is one of."""

    front: Front
    era: Era
    tasks: asyncio.TaskGroup

    def answer(self, request: "Request", body: Mapping[str, Any]) -> None:
        """Answer a request."""
        ...


class Request:
    """One request, from its line to its answer."""

    def __init__(self, calls: Calls, ctx: Context, client: RequestClient) -> None:
        """`client` is asked and told what its upstreams have to ask and tell."""
        self._calls = calls
        self._gate = calls.front.gate
        self._ctx = ctx
        self._client = client
        self._task: asyncio.Task[None] | None = None
        """Does what no callback can."""
        self.identity: Any = ctx.request_id
        self.over = False
        """Whether it has been answered, or called off."""

    def begin(self) -> bool:
        """Set out; whether that was possible without a task."""
        raise NotImplementedError

    def cancel(self) -> None:
        """End it without an answer."""
        self.over = True
        self._client.close()
        if self._task is not None:
            self._task.cancel()

    def _fit(self, result: Mapping[str, Any]) -> Mapping[str, Any]:
        """A result as the client's version has it."""
        try:
            return self._calls.era.fit(result)
        except Exception:
            logger.exception("the answer to a call of %s does not fit", (self._ctx.params or {}).get("name"))
            return stumbled(self._calls.era)

    def _end(self, result: Mapping[str, Any]) -> None:
        """Answer with `result`, once the client has been told all that was said before."""
        if self.over:
            return
        if self._client.quiet:
            self._answer(result)
        else:
            self._task = self._calls.tasks.create_task(self._drain(result))

    async def _drain(self, result: Mapping[str, Any]) -> None:
        await self._client.drained()
        self._answer(result)

    def _answer(self, result: Mapping[str, Any]) -> None:
        self._client.close()
        self._calls.answer(self, {"result": result})


class ReadRequest(Request):
    """A read that is passed through."""

    def __init__(self, calls: Calls, ctx: Context, client: RequestClient) -> None:
        """Nothing sent yet."""
        super().__init__(calls, ctx, client)
        self._direct: Direct | None = None
        self._ended: asyncio.Future[None] | None = None
        """Set with its end, where its upstream has asked its client something before that."""

    def begin(self) -> bool:
        """Send it."""
        params = self._ctx.params or {}
        self._direct = self._gate.begin_call(params["name"], params.get("arguments", {}), self._told, self._client)
        if self._client.capabilities and isinstance(self._client, RoundsClient) and self._direct is not None:
            self._client.on_asked = self._asked
        return self._direct is not None

    def cancel(self) -> None:
        """End it at its upstream too."""
        super().cancel()
        if self._direct is not None:
            self._direct.cancel()

    def _told(self, direct: Direct) -> None:
        if direct.state == "called off":
            return
        if self._ended is not None:
            if not self._ended.done():
                self._ended.set_result(None)
        elif direct.state == "unsettled":
            self._task = self._calls.tasks.create_task(self._go_on(direct))
            self._task.add_done_callback(direct.leave)
        elif direct.failure is None:
            self._end(self._fit(direct.answer))
        else:
            failed = direct.failure.told("read")
            self._end(self._calls.era.stamped(failed_result(f"{failed.code}: {failed}")))

    def _asked(self) -> None:
        """Answer with the question, unless the answer is there: the client brings its own with the next try."""
        if self._task is None and self._direct is not None:
            self._ended = asyncio.get_running_loop().create_future()
            self._task = self._calls.tasks.create_task(self._go_on(self._direct))

    async def _go_on(self, direct: Direct) -> None:
        name, client = direct.attempt.tool.qualified, self._client
        making = self._made(direct)
        if isinstance(client, RoundsClient) and client.capabilities:
            making = self._calls.front.desk.go_on(self._ctx, client, making)
        try:
            result = await explained(name, making)
        except MCPError as error:
            self._client.close()
            self._calls.answer(self, {"error": error.error.model_dump(exclude_unset=True)})
            return
        if requires_input(result) and not is_question("tools/call", self._ctx.protocol_version, result):
            result = failed_result(ASKS_IN_VAIN)
        await self._drain(self._fit(result))

    async def _made(self, direct: Direct) -> Mapping[str, Any]:
        """What comes of it in the end; it may outlast the request, where that is answered with a question."""
        if self._ended is not None:
            try:
                await self._ended
            except asyncio.CancelledError:
                direct.cancel()
                direct.leave(None)
                raise
        if direct.state == "unsettled":
            return await self._gate.go_on(direct)
        if direct.failure is not None:
            raise direct.failure.told("read")
        return direct.answer


class BatchRequest(Request):
    """A batch."""

    def __init__(self, calls: Calls, ctx: Context) -> None:
        """Nothing started yet."""
        super().__init__(calls, ctx, calls.front.desk.batch_client(ctx))
        self._running: Running | None = None

    def begin(self) -> bool:
        """Start it."""
        params = self._ctx.params or {}
        reads_only = params["name"] == "batch_read"
        running = self._gate.begin_batch(params.get("arguments", {}), self._client, reads_only=reads_only)
        if running is None:
            return False
        self._running = running
        if running.driver.done:
            self._told()
        else:
            running.driver.tell(self._told, running.due_in_s)
        return True

    def cancel(self) -> None:
        """Start nothing more of it; writes in flight go on to their end."""
        super().cancel()
        if self._running is not None:
            self._running.driver.cancel()

    def _told(self) -> None:
        if self._running is None or self.over:
            return
        try:
            reply = self._gate.answer_batch(self._running).answer
            result = self._calls.front.own_calls.replied(reply)
            self._end(self._fit(result) if reply.blocks else self._calls.era.stamped(result))
        except Exception:
            # Whoever tells this tells others too, and must not stumble with it.
            logger.exception("the answer to a batch failed inside headgate")
            self._end(stumbled(self._calls.era))


def stumbled(era: Era) -> Mapping[str, Any]:
    """The result of a call over which headgate itself has stumbled."""
    return era.stamped(failed_result(STUMBLED))
