"""A server that implements what the official conformance suite asks for, in both eras: `python -m … PORT`.

The low-level server, so that what it answers is what stands here. What its tools are to do is said by the suite itself.
"""

import sys
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp.server.subscriptions import ListenHandler
from tests.real.conformance_server.answers import Context
from tests.real.conformance_server.prompts import complete, get_prompt, list_prompts
from tests.real.conformance_server.resources import list_resources, list_templates, read_resource
from tests.real.conformance_server.tools import bus, call_tool, list_tools


async def nothing(_ctx: Context, _params: object) -> Any:
    return {}


class Events(EventStore):
    """What has gone out, so that a client can go on where its stream ended."""

    def __init__(self) -> None:
        self._events: list[tuple[StreamId, types.JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: StreamId, message: types.JSONRPCMessage | None) -> EventId:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        if not last_event_id.isdecimal() or not 0 < int(last_event_id) <= len(self._events):
            return None
        stream, _ = self._events[int(last_event_id) - 1]
        for number, (other, message) in enumerate(self._events[int(last_event_id) :], int(last_event_id) + 1):
            if other == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def conformance_server() -> Server[Any]:
    server: Server[Any] = Server("conformance", version="1", on_list_tools=list_tools, on_call_tool=call_tool)
    listing = types.PaginatedRequestParams
    server.add_request_handler("prompts/list", listing, list_prompts)
    server.add_request_handler("prompts/get", types.GetPromptRequestParams, get_prompt)
    server.add_request_handler("resources/list", listing, list_resources)
    server.add_request_handler("resources/templates/list", listing, list_templates)
    server.add_request_handler("resources/read", types.ReadResourceRequestParams, read_resource)
    server.add_request_handler("resources/subscribe", types.SubscribeRequestParams, nothing)
    server.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, nothing)
    server.add_request_handler("completion/complete", types.CompleteRequestParams, complete)
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, nothing)
    server.add_request_handler("subscriptions/listen", types.SubscriptionsListenRequestParams, ListenHandler(bus))
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience="conformance"))
    return server


if __name__ == "__main__":
    app = conformance_server().streamable_http_app(event_store=Events(), retry_interval=100)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
