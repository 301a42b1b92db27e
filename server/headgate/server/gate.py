"""The gate: what can be asked of headgate, whoever asks."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from headgate.proxy.attempt import Attempt
from headgate.proxy.client import Client
from headgate.proxy.connection import CallFailedError
from headgate.proxy.direct import Direct, Told
from headgate.proxy.outlasting import Outlasting
from headgate.proxy.passing import Clients, Passing
from headgate.proxy.prefetch import Prefetch, Prefetched
from headgate.proxy.upstream import UpstreamState
from headgate.proxy.upstreams import Upstreams
from headgate.server.approval import Approve, approve_call
from headgate.server.callers import OPERATOR, Caller
from headgate.server.log import log_prefetched
from headgate.server.openers import opener_of, same_way
from headgate.server.settings import Settings
from headgate.tools.catalogue import Catalogue, NotFound, Tool

if TYPE_CHECKING:
    from headgate.server.batches import BatchRun
    from headgate.server.recipes import Recipes
    from headgate.server.runs import Progress, Running, Runs
    from headgate.server.switch import Switch
    from headgate.tools.outcome import Failure
    from headgate.tools.page import Page
    from headgate.tools.reply import Reply

FIRST_OPENING_S = 5.0
"""How long a request waits, right after the start, for upstreams of which nothing is known yet."""
DRAIN_S = 5.0
"""How long writes in flight may still take when the gate closes."""


class Gate:
    """Runs batches and single calls. Opened by `open_gate`."""

    def __init__(self, settings: Settings, upstreams: Upstreams, tasks: asyncio.TaskGroup) -> None:
        """Upstreams are being opened by others; batches run as tasks of `tasks`."""
        self.settings = settings
        self._upstreams = upstreams
        self._tasks = tasks
        self._loaded: Runs | None = None
        self._writes = Outlasting(tasks)
        self._prefetch = Prefetch(settings.prefetch, upstreams, tasks)
        self._opened_at = asyncio.get_running_loop().time()
        self.confirms = self._asks()
        """Whether a person has to be asked about any write."""

    async def batch(self, calls: object, *, approve: Approve | None = None, **options: Any) -> dict[str, Any]:
        """Run `calls`, a list or a whole request, and give the contract's reply.

        `approve` puts the question to a person whether writes of tools with `confirm` may be made. Options are the
        request's other fields: `on_error`, `timeout_s`, `dry_run`.
        """
        from headgate.server.as_json import request_in  # noqa: PLC0415 - only for those who embed a gate

        request = request_in(calls)
        if options and isinstance(request, dict):
            request = {**cast("dict[str, Any]", request), **options}
        return (await self.run(request, approve=approve)).reply

    async def run(  # noqa: PLR0913 - each says something else, and most requests say none of it
        self,
        request: object,
        *,
        reads_only: bool = False,
        on_progress: "Progress | None" = None,
        approve: Approve | None = None,
        faults: "Mapping[str, Failure] | None" = None,
        to_the_end: bool = False,
        caller: Caller = OPERATOR,
        client: Client | None = None,
    ) -> "BatchRun":
        """Run a request, or a batch that is one already, until it has ended or its reply has to go out.

        What is unfinished then goes on; with `to_the_end` the reply waits for it. A person is asked first where a write
        of it needs that. `faults` says of calls, by id, why they cannot be made. The upstreams of its calls may ask and
        tell `client` something.

        Cancelled, it starts nothing more; writes in flight go on to their end.
        """
        return await self._runs.run(
            request,
            reads_only=reads_only,
            on_progress=on_progress,
            approve=approve,
            faults=faults,
            to_the_end=to_the_end,
            caller=caller,
            client=client,
        )

    @property
    def _runs(self) -> "Runs":
        if self._loaded is None:
            # Imported here: no start has to wait for what plans and runs batches.
            from headgate.server.runs import Runs  # noqa: PLC0415

            self._loaded = Runs(self, self._upstreams, self._tasks)
        return self._loaded

    @property
    def recipes(self) -> "Recipes":
        """The recipes as they stand."""
        return self._runs.recipes

    @property
    def switch(self) -> "Switch":
        """Which way the next batch goes."""
        return self._runs.switch

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        approve: Approve | None = None,
        client: Client | None = None,
        caller: Caller = OPERATOR,
        required: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """Make one call of `tool`, by any of its names; the upstream's own `tools/call` result.

        The upstream may ask and tell `client` something; `required` is the input that it has asked for before.

        Raises:
            CallFailedError: There is no result, and why.

        """
        if client is None:
            arguments = _known_to_json(arguments)
        found = await self.find(tool, caller)
        if isinstance(found, NotFound):
            raise CallFailedError(found.code, found.message, sent=False)
        if self.confirms:
            await approve_call(found, arguments, approve, every_write=self.settings.headgate.confirm_writes)
        if self.settings.prefetch:
            self._prefetch.called(found, arguments, caller.principal)
        now = asyncio.get_running_loop().time()
        attempt = Attempt(found, arguments, found.rules.timeout_s, (), now, client=client, input=required)
        path = caller.path(self._upstreams.call)
        try:
            return await (path(attempt) if found.kind == "read" else self._writes.call(path, attempt))
        except CallFailedError as failed:
            raise failed.told(found.kind) from None

    def begin_call(self, tool: str, arguments: Mapping[str, Any], told: Told, client: Client) -> Direct | None:
        """Have a read of the operator's set out now, and `told` of its end; `None` if anything has to come first."""
        found = self.catalogue().find(tool)
        if isinstance(found, NotFound) or found.kind != "read" or self.confirms or self.settings.prefetch:
            return None
        now = asyncio.get_running_loop().time()
        direct = Direct(Attempt(found, arguments, found.rules.timeout_s, (), now, client=client), told)
        return direct if self._upstreams.begin(direct) else None

    async def go_on(self, direct: Direct) -> Mapping[str, Any]:
        """See a read through that has come to no end without a task.

        Raises:
            CallFailedError: There is no result, and why.

        """
        direct.attempt.first = direct
        try:
            return await self._upstreams.call(direct.attempt)
        except CallFailedError as failed:
            raise failed.told("read") from None

    def begin_batch(self, request: object, client: Client, *, reads_only: bool) -> "Running | None":
        """Start a batch of the operator's now; `None` if anything has to come first, or it cannot be run."""
        return self._runs.begin(request, reads_only=reads_only, caller=OPERATOR, client=client)

    def answer_batch(self, running: "Running") -> "BatchRun":
        """What there is to say of a batch that was begun."""
        return self._runs.answer(running)

    async def answer_openai(self, message: object, *, approve: Approve | None = None) -> list[dict[str, Any]]:
        """Make the tool calls of a model's answer as one batch: one result for each, in order, once all have ended.

        An assistant message of Chat Completions gives `tool` messages; a response of the Responses API, or the list of
        its output items, gives `function_call_output` items. Objects of OpenAI's library will do as well as JSON.

        Raises:
            NotAnAnswerError: `message` is none of these.

        """
        from headgate.server.agents import answer, openai  # noqa: PLC0415 - only for those who embed a gate

        calls = openai.chat_calls(message)
        if calls is not None:
            return openai.chat_messages(await answer.answer(self, calls, approve))
        return openai.response_items(await answer.answer(self, openai.response_calls(message), approve))

    async def answer_anthropic(self, content: object, *, approve: Approve | None = None) -> list[dict[str, Any]]:
        """Make the `tool_use` calls of a message, or of its content blocks, as one batch: a `tool_result` for each.

        Objects of Anthropic's library will do as well as JSON.

        Raises:
            NotAnAnswerError: `content` is neither.

        """
        from headgate.server.agents import answer, anthropic  # noqa: PLC0415 - only for those who embed a gate

        return anthropic.tool_results(await answer.answer(self, anthropic.used_tools(content), approve))

    def tools_for(self, api: Literal["chat", "responses", "messages"]) -> list[dict[str, Any]]:
        """Every tool as it stands, in the shape that a request to a model takes.

        `chat` is OpenAI's Chat Completions, `responses` its Responses, `messages` Anthropic's Messages.
        """
        from headgate.server.agents.offered import offered  # noqa: PLC0415 - only for those who embed a gate

        return offered(self, api)

    async def find(self, tool: str, caller: Caller = OPERATOR) -> Tool | NotFound:
        """The tool of that name, waiting for an upstream that is still being opened for the first time."""
        found = self.catalogue(caller).find(tool)
        if isinstance(found, NotFound):
            await self.know([tool])
            found = self.catalogue(caller).find(tool)
        return found

    async def know(self, tools: Iterable[str]) -> None:
        """Wait, only right after the start, for the upstreams that could be meant by tools that are not known yet."""
        unknown = [tool for tool in tools if isinstance(self.catalogue().find(tool), NotFound)]
        if unknown:
            await self._upstreams.settled(self._first_opening_left(), self._opening_for(unknown))

    def become(self, settings: Settings) -> None:
        """Go by other settings from now on, without dropping a call.

        A batch that has been planned goes on as planned. Sessions are opened anew only where the settings of how to
        reach the upstream are others. The journal stays the one that it is.
        """
        before, self.settings = self.settings.upstreams, settings
        self._runs.become(settings)
        self._prefetch.obey(settings.prefetch)
        self._upstreams.become(
            {
                name: (upstream.rules, None if same_way(before.get(name), upstream) else opener_of(upstream))
                for name, upstream in settings.upstreams.items()
            }
        )
        self.confirms = self._asks()

    def _asks(self) -> bool:
        return self.settings.headgate.confirm_writes or self._upstreams.confirms

    def result(self, batch_id: str, call_id: str | None, page: "Page", caller: Caller = OPERATOR) -> "Reply | None":
        """What get_result gives: the whole reply, or a part of one call's data; `None` for an unknown id."""
        return self._runs.result(batch_id, call_id, page, caller)

    def prefetched(self) -> Prefetched:
        """How many of the calls made ahead were of use so far, and how many were not."""
        return self._prefetch.count

    async def settled(self, timeout_s: float) -> None:
        """Wait until each upstream is listed or has failed, for `timeout_s` at most."""
        await self._upstreams.settled(timeout_s)

    def catalogue(self, caller: Caller = OPERATOR) -> Catalogue:
        """Every tool of the caller's as it stands right now."""
        return caller.part_of(self._upstreams.catalogue)

    def offered(self, caller: Caller = OPERATOR) -> tuple[Tool, ...]:
        """What there is beside headgate's own tools: recipes, and upstreams' tools unless they are for batches only."""
        catalogue = self.catalogue(caller)
        recipes = self.recipes.tools(catalogue, caller) if self.settings.recipes else ()
        if self.settings.headgate.expose == "batch":
            return recipes
        return recipes + tuple(tool for tool in catalogue.tools if tool.denied is None)

    @property
    def all_known(self) -> bool:
        """Whether each upstream has been ready or has failed once."""
        return self._upstreams.all_known

    def upstreams(self) -> tuple[UpstreamState, ...]:
        """The state of each upstream right now."""
        return self._upstreams.states()

    def passings(self) -> tuple[Passing, ...]:
        """The ways of everything but calls to the upstreams, in the order of the settings."""
        return self._upstreams.passings()

    @property
    def clients(self) -> Clients:
        """To be filled in by whoever serves clients."""
        return self._upstreams.clients

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` whenever the catalogue is another; returns what ends that."""
        return self._upstreams.watch(changed)

    async def first_opening(self) -> None:
        """Wait, only right after the start, for upstreams of which nothing is known yet."""
        await self._upstreams.settled(self._first_opening_left())

    async def drain(self) -> None:
        """Start nothing more, and let writes in flight end."""
        self._prefetch.close()
        self._writes.call_off()
        running = [] if self._loaded is None else self._loaded.running()
        for driver in running:
            driver.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                for driver in running:
                    await driver.wait()
                await self._writes.ended()

    def close_books(self) -> None:
        """Log the batches that have ended since the last time, and what prefetching was worth."""
        if self._loaded is not None or self.settings.headgate.parallel is not True:
            self._runs.close_books()
        if self.settings.prefetch:
            log_prefetched(self.prefetched())

    def _opening_for(self, tools: list[str]) -> set[str] | None:
        """The upstreams that could be meant by `tools`; `None`, all of them, where a name says nothing of it."""
        named = {self.catalogue().upstream_named_in(tool) for tool in tools}
        return None if None in named else {name for name in named if name is not None}

    def _first_opening_left(self) -> float:
        return max(self._opened_at + FIRST_OPENING_S - asyncio.get_running_loop().time(), 0.0)


def _known_to_json(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments of a program's own call, as JSON; those of a client have been that already."""
    from headgate.server.as_json import NotJsonError, as_json  # noqa: PLC0415 - only for those who embed a gate

    try:
        return as_json(dict(arguments))
    except NotJsonError as wrong:
        raise CallFailedError("INVALID_ARGUMENTS", str(wrong), sent=False) from None
