"""headgate as an MCP server: the SDK's, with our handlers."""

from importlib.metadata import version
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.subscriptions import InMemorySubscriptionBus
from opentelemetry import trace

from headgate.server.callers import OPERATOR, Caller, CallerOf
from headgate.server.changes import Changes
from headgate.server.front import Front
from headgate.server.gate import Gate
from headgate.server.passing.handlers import Passed
from headgate.server.plain_calls import PlainCalls
from headgate.tools.offer import INSTRUCTIONS

Context = ServerRequestContext[Any, Any]


def _operator(_ctx: Context) -> Caller:
    return OPERATOR


def mcp_server(gate: Gate, caller_of: CallerOf = _operator) -> tuple["McpServer", Changes]:
    """The server in front of `gate`, and what tells its clients of changed tools (to be run beside it)."""
    bus = InMemorySubscriptionBus()
    passed = Passed(gate, bus, caller_of)
    front = Front(gate, passed.desk, caller_of)
    server = McpServer(
        "headgate",
        version=version("headgate"),
        title="headgate",
        instructions=INSTRUCTIONS,
        on_list_tools=front.list_tools,
        on_call_tool=front.call_tool,
        on_subscriptions_listen=passed.listen,
    )
    passed.add_to(server)
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        server.middleware.clear()  # the SDK's spans, which nobody would see
        server.front = front
    if not gate.confirms:
        server.middleware.append(PlainCalls(front.call_tool))
    if gate.confirms:
        # Imported here: it brings cryptography along, for which a start without questions need not wait.
        from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity  # noqa: PLC0415

        server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience="headgate"))
    return server, Changes(gate, bus, passed)


class McpServer(Server[Any]):
    """Says over every transport that its lists may change: clients that are not told so do not listen for it."""

    front: Front | None = None
    """Whom plain calls may be put to without the SDK; `None` where its spans are wanted of all."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        """Say it wherever nothing else is said; over HTTP the SDK asks for what there is."""
        changing = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)
        return super().create_initialization_options(
            notification_options or changing, experimental_capabilities, extensions
        )
