"""headgate as an MCP server: its own tools, the recipes, and every upstream tool passed through.

The SDK's low-level server validates nothing and lets texts of exceptions out, so both are seen to here.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any, cast

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler

from headgate.proxy.connection import CallFailedError
from headgate.server.callers import OPERATOR, Caller
from headgate.server.changes import Changes
from headgate.server.elicit import Elicitor, InputNeededError
from headgate.server.fit import fitted, is_listable
from headgate.server.gate import Gate
from headgate.server.own_calls import OWN_CALLS, Asking, BadRequestError, OwnCall, recipe_call
from headgate.server.progress import Beat, wants_progress
from headgate.tools.catalogue import Tool
from headgate.tools.offer import INSTRUCTIONS, own_tools
from headgate.tools.schema import harm_in

logger = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]

# What the newer era asks of every result, and of every list; the SDK takes it out again for the older one.
_COMPLETE: dict[str, Any] = {"resultType": "complete"}
_NOT_CACHED: dict[str, Any] = {"ttlMs": 0, "cacheScope": "private"}


CallerOf = Callable[[Context], Caller]
"""Says on whose behalf a request is made."""


def _operator(_ctx: Context) -> Caller:
    return OPERATOR


def mcp_server(gate: Gate, caller_of: CallerOf = _operator) -> tuple[Server[Any], Changes]:
    """The server in front of `gate`, and what tells its clients of changed tools (to be run beside it)."""
    bus = InMemorySubscriptionBus()
    listening = ListenHandler(bus)
    changes = Changes(gate, bus, listening)
    front = _Front(gate, changes, caller_of)
    server: Server[Any] = Server(
        "headgate",
        version=version("headgate"),
        title="headgate",
        instructions=INSTRUCTIONS,
        on_list_tools=front.list_tools,
        on_call_tool=front.call_tool,
        on_subscriptions_listen=listening,
    )
    if gate.confirms:
        # Imported here: it brings cryptography along, for which a start without questions need not wait.
        from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity  # noqa: PLC0415

        server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience="headgate"))
    return server, changes


def initialization_options(server: Server[Any]) -> InitializationOptions:
    """What the server says of itself: that its list of tools may change."""
    return server.create_initialization_options(NotificationOptions(tools_changed=True))


class _Front:
    """The handlers."""

    def __init__(self, gate: Gate, changes: Changes, caller_of: CallerOf) -> None:
        self._caller_of = caller_of
        self._gate = gate
        self._changes = changes
        self._elicitor = Elicitor()
        self._own = own_tools()
        self._listed: dict[str, tuple[Tool, dict[str, Any] | None]] = {}

    async def list_tools(self, ctx: Context, _params: types.PaginatedRequestParams | None) -> Any:
        """Answer at once with what is known: an upstream that comes up later is told of as a change."""
        self._changes.note(ctx)
        caller = self._caller_of(ctx)
        catalogue = self._gate.catalogue(caller)
        offered = self._gate.recipes.tools(catalogue, caller)
        if self._gate.settings.headgate.expose == "all":
            offered += tuple(tool for tool in catalogue.tools if tool.denied is None)
        definitions = (self._definition_of(tool) for tool in offered)
        tools = [*self._own, *(definition for definition in definitions if definition is not None)]
        return {**_COMPLETE, **_NOT_CACHED, "tools": tools}

    async def call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        """Run one of headgate's own tools or a recipe, or pass the call through."""
        self._changes.note(ctx)
        try:
            return fitted(await self._result_of(ctx, params), ctx.protocol_version) | _COMPLETE
        except InputNeededError as needed:
            return needed.result

    async def _result_of(self, ctx: Context, params: types.CallToolRequestParams) -> dict[str, Any]:
        arguments = params.arguments or {}
        approve = None
        if self._gate.confirms:
            approve = self._elicitor.of(ctx, params, self._gate.settings.headgate.answer_within_s)
        try:
            asking = Asking(self._caller_of(ctx), None, approve)
            call = self._own_call(params.name, asking.caller)
            if call is None:
                result = self._gate.call(params.name, arguments, approve=approve, caller=asking.caller)
                return await _presented(result)
            if not wants_progress(ctx):
                return await call(self._gate, arguments, asking)
            async with Beat(ctx) as beat:
                return await call(self._gate, arguments, replace(asking, progress=beat.progress))
        except InputNeededError:
            raise
        except BadRequestError as bad:
            return _failed(str(bad))
        except CallFailedError as failed:
            return _failed(f"{failed.code}: {failed}")
        except Exception:
            logger.exception("a call of %s failed inside headgate", params.name)
            return _failed("headgate could not make this call; its log says why")

    def _own_call(self, name: str, caller: Caller) -> OwnCall | None:
        """What runs the tool of that name, where it is none of an upstream's."""
        return recipe_call(name) if name in self._gate.recipes.of(caller) else OWN_CALLS.get(name)

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


async def _presented(result: Awaitable[Mapping[str, Any]]) -> dict[str, Any]:
    """An upstream's own result, as it is."""
    raw = dict(await result)
    if raw.get("resultType") == "input_required":
        return _failed("UPSTREAM_ERROR: it asks for input from a person, which headgate does not pass on yet")
    return raw


def _failed(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": True}
