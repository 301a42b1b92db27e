"""An upstream that offers everything there is beside tools, and asks its client things, in either era."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from headgate.proxy.connection import CallFailedError, Connection, Open, Opening
from headgate.proxy.direct import Direct
from headgate.proxy.rpc import Rpc
from headgate.proxy.session import KnownEra, SessionConnection, answered_with_error, negotiated

Context = ServerRequestContext[Any, Any]
FORM: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
LISTED: dict[str, Any] = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
READ = {"readOnlyHint": True}


def explained(error: Exception) -> CallFailedError:
    return answered_with_error(cast("MCPError", error))


@dataclass(slots=True)
class Desk:
    """Its resources are `NAME://…`; `heard` is what it was told, `asked` what its tool `ask` got back."""

    name: str
    modern: bool = False
    heard: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    bus: InMemorySubscriptionBus = field(default_factory=InMemorySubscriptionBus)

    def opener(self) -> Open:
        """Opens sessions with it, all over one line."""

        @asynccontextmanager
        async def open_session(opening: Opening) -> AsyncGenerator[Connection]:
            async with joined(self.server()) as rpc:

                async def send(
                    method: str, params: dict[str, Any], _headers: Mapping[str, str] | None = None
                ) -> Mapping[str, Any]:
                    try:
                        return await rpc.request(method, params).answer()
                    except MCPError as error:
                        raise answered_with_error(error) from None

                def begin(method: str, params: Mapping[str, Any], direct: Direct) -> bool:
                    direct.carried(rpc.begin(method, params, direct).abandon, explained)
                    return True

                era = KnownEra(is_old=not self.modern)
                async with negotiated(rpc, opening, known=era) as (session, meta):
                    yield SessionConnection(send, rpc.closed, meta, frozenset(), session, begin)

        return open_session

    def server(self) -> Server[Any]:
        server: Server[Any] = Server(self.name, on_list_tools=self._tools, on_call_tool=self._call)
        listing = types.PaginatedRequestParams
        server.add_request_handler("prompts/list", listing, self._prompts)
        server.add_request_handler("prompts/get", types.GetPromptRequestParams, self._prompt)
        server.add_request_handler("resources/list", listing, self._resources)
        server.add_request_handler("resources/templates/list", listing, self._templates)
        server.add_request_handler("resources/read", types.ReadResourceRequestParams, self._read)
        server.add_request_handler("resources/subscribe", types.SubscribeRequestParams, self._noted)
        server.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, self._noted)
        server.add_request_handler("completion/complete", types.CompleteRequestParams, self._complete)
        server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, self._noted)
        server.add_request_handler(
            "subscriptions/listen", types.SubscriptionsListenRequestParams, ListenHandler(self.bus)
        )
        return server

    async def _tools(self, _ctx: Context, _params: object) -> Any:
        names = ("ask", "tell", "link", "touch", "wait", "refuse")
        return {
            **LISTED,
            "tools": [{"name": name, "inputSchema": {"type": "object"}, "annotations": READ} for name in names],
        }

    async def _call(self, ctx: Context, params: types.CallToolRequestParams) -> Any:
        self.heard.append((f"tools/call {params.name}", (ctx.params or {}).get("_meta")))
        return await getattr(self, f"_{params.name}")(ctx)

    async def _ask(self, ctx: Context) -> Any:
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            given = (ctx.params or {}).get("inputResponses")
            if given is None:
                asked = {"mode": "form", "message": "Who are you?", "requestedSchema": FORM}
                question = {"who": {"method": "elicitation/create", "params": asked}}
                return {"resultType": "input_required", "inputRequests": question, "requestState": "s1"}
            return text(f"{given['who']['content']['name']} {(ctx.params or {}).get('requestState')}")
        try:
            answer = await ctx.session.elicit_form("Who are you?", FORM, ctx.request_id)
        except MCPError as error:
            return text(f"refused: {error.error.message}", isError=True)
        return text(f"{(answer.content or {}).get('name')} s1")

    async def _tell(self, ctx: Context) -> Any:
        await ctx.session.report_progress(1, 2, "half")
        for level in ("debug", "warning"):
            log = types.LoggingMessageNotificationParams(level=level, data=f"a {level}", logger="desk")
            await ctx.session.send_notification(types.LoggingMessageNotification(params=log), ctx.request_id)
        return text("told")

    async def _link(self, _ctx: Context) -> Any:
        uri = f"hidden://{self.name}"
        return {"resultType": "complete", "content": [{"type": "resource_link", "uri": uri, "name": "hidden"}]}

    async def _touch(self, ctx: Context) -> Any:
        uri = f"{self.name}://one"
        await self.bus.publish(ResourceUpdated(uri=uri))
        await ctx.session.send_resource_updated(uri)
        return text("touched")

    async def _wait(self, _ctx: Context) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    async def _refuse(self, _ctx: Context) -> Any:
        raise MCPError(-32042, "sign in first", {"elicitations": []})

    async def _prompts(self, _ctx: Context, _params: object) -> Any:
        return {**LISTED, "prompts": [{"name": "greet", "title": "Greet"}]}

    async def _prompt(self, _ctx: Context, params: types.GetPromptRequestParams) -> Any:
        words = {"type": "text", "text": f"{params.name} of {self.name}"}
        return {"resultType": "complete", "messages": [{"role": "user", "content": words}]}

    async def _resources(self, _ctx: Context, _params: object) -> Any:
        uris = (f"{self.name}://one", "common://one")
        return {**LISTED, "resources": [{"uri": uri, "name": "one"} for uri in uris]}

    async def _templates(self, _ctx: Context, _params: object) -> Any:
        return {**LISTED, "resourceTemplates": [{"uriTemplate": f"{self.name}://item/{{id}}", "name": "item"}]}

    async def _read(self, _ctx: Context, params: types.ReadResourceRequestParams) -> Any:
        uri = str(params.uri)
        self.heard.append(("resources/read", uri))
        if self.name not in uri and uri != "common://one":
            raise MCPError(-32002, "no such resource", {"uri": uri})
        return {**LISTED, "contents": [{"uri": uri, "text": f"{uri} of {self.name}"}]}

    async def _complete(self, _ctx: Context, params: types.CompleteRequestParams) -> Any:
        ref = params.ref.name if isinstance(params.ref, types.PromptReference) else str(params.ref.uri)
        return {"resultType": "complete", "completion": {"values": [f"{ref} of {self.name}"]}}

    async def _noted(self, ctx: Context, params: Any) -> Any:
        self.heard.append((ctx.method, params.model_dump(exclude_none=True)))
        return {}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"resultType": "complete", "content": [{"type": "text", "text": words}], **more}


@asynccontextmanager
async def joined(server: Server[Any]) -> AsyncGenerator[Rpc]:
    """An Rpc whose other end is `server`, by way of the SDK's own streams."""
    rpc = Rpc()
    async with create_client_server_memory_streams() as ((read, write), (server_read, server_write)):
        outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        rpc.write = outgoing.put_nowait

        async def send() -> None:
            while True:
                message = types.jsonrpc_message_adapter.validate_json(await outgoing.get())
                await write.send(SessionMessage(message))

        async def receive() -> None:
            async for message in read:
                assert isinstance(message, SessionMessage)
                rpc.receive(message.message.model_dump_json(by_alias=True, exclude_none=True).encode())

        options = server.create_initialization_options(NotificationOptions(resources_changed=True))
        async with asyncio.TaskGroup() as tasks:
            jobs = (send(), receive(), server.run(server_read, server_write, options))
            running = [tasks.create_task(job) for job in jobs]
            try:
                yield rpc
            finally:
                for task in running:
                    task.cancel()
