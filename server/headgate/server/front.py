"""The handlers of tools: headgate's own, the recipes, and every upstream tool passed through.

The SDK's low-level server validates nothing and lets texts of exceptions out, so both are seen to here.
"""

import logging
from collections.abc import Awaitable, Mapping
from functools import cached_property
from types import ModuleType
from typing import Any, cast

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from headgate.proxy.client import Client
from headgate.proxy.connection import AnsweredWithErrorError, CallFailedError
from headgate.proxy.rounds import requires_input
from headgate.server.approval import Approve
from headgate.server.callers import Caller, CallerOf
from headgate.server.elicit import Elicitor, InputNeededError, allowed, is_own
from headgate.server.fit import fitted, is_listable, is_question
from headgate.server.gate import Gate
from headgate.server.passing.desk import Desk
from headgate.server.passing.handlers import COMPLETE, NOT_CACHED, protocol_error
from headgate.server.progress import Beat, wants_progress
from headgate.tools.catalogue import Tool
from headgate.tools.offer import own_tools
from headgate.tools.schema import harm_in

logger = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]

STUMBLED = "headgate could not make this call; its log says why"
ASKS_IN_VAIN = "UPSTREAM_ERROR: it asks for input from a person, which this client cannot give"

_SPARE = 100
"""Definitions that are kept of tools that are gone, and as many more as there are tools."""


class Front:
    """The handlers."""

    def __init__(self, gate: Gate, desk: Desk, caller_of: CallerOf) -> None:
        self._caller_of = caller_of
        self.gate = gate
        self.desk = desk
        self._elicitor = Elicitor()
        self._own = own_tools()
        self._own_names = frozenset(tool["name"] for tool in self._own)
        self._listed: dict[str, tuple[Tool, dict[str, Any] | None]] = {}

    async def list_tools(self, ctx: Context, _params: types.PaginatedRequestParams | None) -> Any:
        """Answer at once with what is known: an upstream that comes up later is told of as a change."""
        self.desk.seats.of(ctx)
        if len(self._listed) > 2 * len(self.gate.catalogue().tools) + _SPARE:
            self._listed.clear()  # of upstreams that list other tools each time
        definitions = (self._definition_of(tool) for tool in self.gate.offered(self._caller_of(ctx)))
        tools = [*self._own, *(definition for definition in definitions if definition is not None)]
        return {**COMPLETE, **NOT_CACHED, "tools": tools}

    async def call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Run one of headgate's own tools or a recipe, or pass the call through."""
        try:
            result = await explained(params.name, self._result_of(ctx, params))
        except InputNeededError as needed:
            return needed.result
        if not requires_input(result):
            return fitted(result, ctx.protocol_version) | COMPLETE
        if is_question(ctx.method, ctx.protocol_version, result):
            return result
        return COMPLETE | failed_result(ASKS_IN_VAIN)

    async def _result_of(self, ctx: Context, params: types.CallToolRequestParams) -> Mapping[str, Any]:
        arguments = params.arguments or {}
        caller = self._caller_of(ctx)
        own = self.is_own(params.name, caller)
        approve = self._approve(ctx, params, again=not own)
        if own:
            return await self._run(ctx, params.name, arguments, caller, approve)

        async def make(client: Client, required: Mapping[str, Any] | None) -> Mapping[str, Any]:
            required = None if is_own(params.request_state) else required
            return await self.gate.call(
                params.name, arguments, approve=approve, caller=caller, client=client, required=required
            )

        return await self.desk.serve(ctx, make)

    @cached_property
    def own_calls(self) -> ModuleType:
        """What answers headgate's own tools."""
        # Imported here: no start has to wait for what answers batches.
        from headgate.server import own_calls  # noqa: PLC0415

        return own_calls

    def _approve(self, ctx: Context, params: types.CallToolRequestParams, *, again: bool) -> Approve | None:
        """What asks the person behind the client before a write, where that has to be.

        `again` says that an upstream may have asked something itself, after a person had allowed the call.
        """
        if not self.gate.confirms:
            return None
        if again and params.request_state is not None and not is_own(params.request_state):
            return allowed  # the state was sealed for this very request, once it had been allowed
        return self._elicitor.of(ctx, params, self.gate.settings.headgate.answer_within_s)

    async def _run(
        self, ctx: Context, name: str, arguments: Mapping[str, Any], caller: Caller, approve: Approve | None
    ) -> dict[str, Any]:
        """Run one of headgate's own tools or a recipe, telling of its progress where that is wanted."""
        own_calls = self.own_calls
        call = own_calls.own_call(self.gate, name, caller)
        client = self.desk.batch_client(ctx)
        try:
            if not wants_progress(ctx):
                return await call(self.gate, arguments, own_calls.Asking(caller, None, approve, client))
            async with Beat(ctx) as beat:
                return await call(self.gate, arguments, own_calls.Asking(caller, beat.progress, approve, client))
        except own_calls.BadRequestError as bad:
            return failed_result(str(bad))
        finally:
            await client.drained()
            client.close()

    def is_own(self, name: str, caller: Caller) -> bool:
        """Whether the tool of that name is headgate's own or a recipe, and none of an upstream's."""
        if name in self._own_names:
            return True
        return bool(self.gate.settings.recipes) and name in self.gate.recipes.of(caller)

    def _definition_of(self, tool: Tool) -> dict[str, Any] | None:
        """The tool's definition under the offered name, with the class that headgate goes by; checked once."""
        listed = self._listed.get(tool.qualified)
        if listed is None or listed[0] != tool:
            listed = self._listed[tool.qualified] = (tool, _offered(tool))
        return listed[1]


def _offered(tool: Tool) -> dict[str, Any] | None:
    annotations = tool.definition.get("annotations")
    hints: dict[str, Any] = {**annotations} if isinstance(annotations, Mapping) else {}
    if tool.kind == "write" or "readOnlyHint" in hints or tool.rules.kind is not None:
        hints["readOnlyHint"] = tool.kind == "read"
    if hints.get("readOnlyHint") is True:
        hints.pop("destructiveHint", None)  # it says something of writes only
    definition = {**tool.definition, "name": tool.qualified, "inputSchema": {"type": "object", **tool.input_schema}}
    answers = definition.get("outputSchema")
    if isinstance(answers, Mapping) and harm_in(cast("Mapping[str, Any]", answers)) is not None:
        del definition["outputSchema"]  # clients hold every answer against it
    if hints:
        definition["annotations"] = hints
    if not is_listable(definition):
        logger.warning('upstream "%s" declares its tool "%s" in a way that MCP does not know', tool.upstream, tool.name)
        return None
    return definition


async def explained(name: str, making: Awaitable[Mapping[str, Any]]) -> dict[str, Any]:
    """The result of a call of the tool `name`, or one that says why there is none.

    Raises:
        InputNeededError: A person has to be asked first.
        MCPError: There is an error that is the upstream's own, or the request cannot be served.

    """
    try:
        return {**await making}
    except (InputNeededError, MCPError):
        raise
    except AnsweredWithErrorError as answered:
        raise protocol_error(answered) from None
    except CallFailedError as failed:
        return failed_result(f"{failed.code}: {failed}")
    except Exception:
        logger.exception("a call of %s failed inside headgate", name)
        return failed_result(STUMBLED)


def failed_result(text: str) -> dict[str, Any]:
    """The result of a call that failed."""
    return {"content": [{"type": "text", "text": text}], "isError": True}
