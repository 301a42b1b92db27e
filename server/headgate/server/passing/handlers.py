"""The handlers of requests and notifications that are none of tools."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp.server.lowlevel.server import Server
from mcp.server.subscriptions import ListenHandler, ResourceUpdated, SubscriptionBus
from mcp.shared.exceptions import MCPError

from headgate.proxy.connection import AnsweredWithErrorError, CallFailedError
from headgate.proxy.passing import NOBODY, Passing
from headgate.proxy.rounds import requires_input
from headgate.server.callers import CallerOf
from headgate.server.fit import is_question, is_valid
from headgate.server.gate import Gate
from headgate.server.passing.clients import SeatClient
from headgate.server.passing.desk import Desk
from headgate.server.passing.offers import PROMPTS, RESOURCES, TEMPLATES, Kind, Offers
from headgate.server.passing.seats import Context, Seat
from headgate.tools.catalogue import Tool
from headgate.tools.names import SEPARATOR

logger = logging.getLogger(__name__)

# What the newer era asks of every result, and of every list; the SDK takes it out again for the older one.
COMPLETE: dict[str, Any] = {"resultType": "complete"}
NOT_CACHED: dict[str, Any] = {"ttlMs": 0, "cacheScope": "private"}


class Passed:
    """The handlers."""

    def __init__(self, gate: Gate, bus: SubscriptionBus, caller_of: CallerOf) -> None:
        """Listeners of the newer era are told of updates over `bus`."""
        self._caller_of = caller_of
        self._gate = gate
        self._bus = bus
        self._listen = ListenHandler(bus)
        self._leaving: set[asyncio.Task[None]] = set()
        self._subscribed: dict[str, Passing] = {}
        self.offers = Offers(gate.passings)
        self.desk = Desk(self._left, caller_of)

    def add_to(self, server: Server[Any]) -> None:
        """Register them all. The SDK declares the capabilities that there are handlers for."""
        server.add_request_handler("prompts/list", types.PaginatedRequestParams, self.list_prompts)
        server.add_request_handler("prompts/get", types.GetPromptRequestParams, self.get_prompt)
        server.add_request_handler("resources/list", types.PaginatedRequestParams, self.list_resources)
        server.add_request_handler("resources/templates/list", types.PaginatedRequestParams, self.list_templates)
        server.add_request_handler("resources/read", types.ReadResourceRequestParams, self.read_resource)
        server.add_request_handler("resources/subscribe", types.SubscribeRequestParams, self.subscribe)
        server.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, self.unsubscribe)
        server.add_request_handler("subscriptions/listen", types.SubscriptionsListenRequestParams, self.listen)
        server.add_request_handler("completion/complete", types.CompleteRequestParams, self.complete)
        server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, self.set_level)
        for method in ("notifications/initialized", "notifications/roots/list_changed"):
            server.add_notification_handler(method, types.NotificationParams, self.roots_changed)

    async def list_prompts(self, ctx: Context, _params: Any) -> Any:
        """The prompts of all upstreams."""
        self.desk.seats.of(ctx)
        await self._gate.first_opening()
        found = [prompt for prompt in await self.offers.prompts() if self._may_use(ctx, prompt)]
        prompts = [{**prompt.definition, "name": prompt.qualified} for prompt in found]
        return {**COMPLETE, **NOT_CACHED, PROMPTS.key: prompts}

    async def list_resources(self, ctx: Context, _params: Any) -> Any:
        """The resources of all upstreams."""
        return await self._list(ctx, RESOURCES)

    async def list_templates(self, ctx: Context, _params: Any) -> Any:
        """The resource templates of all upstreams."""
        return await self._list(ctx, TEMPLATES)

    async def get_prompt(self, ctx: Context, params: types.GetPromptRequestParams) -> Any:
        """A prompt, from the upstream that has it."""
        await self._gate.first_opening()
        passing, name = await self._prompt(ctx, params.name)
        return await self._passed_on(ctx, [passing], {"name": name})

    async def read_resource(self, ctx: Context, params: types.ReadResourceRequestParams) -> Any:
        """A resource, from the upstream that has it."""
        await self._gate.first_opening()
        return await self._passed_on(ctx, await self._owners(ctx, str(params.uri)), {})

    async def complete(self, ctx: Context, params: types.CompleteRequestParams) -> Any:
        """Completions, from the upstream whose prompt or template it is."""
        await self._gate.first_opening()
        if isinstance(params.ref, types.PromptReference):
            passing, name = await self._prompt(ctx, params.ref.name)
            ref = {**params.ref.model_dump(by_alias=True, exclude_none=True), "name": name}
            return await self._passed_on(ctx, [passing], {"ref": ref})
        owners = [] if self._caller_of(ctx).restricted else await self.offers.template(str(params.ref.uri))
        return await self._passed_on(ctx, owners, {})

    async def subscribe(self, ctx: Context, params: types.SubscribeRequestParams) -> Any:
        """Have the client told of updates of a resource."""
        seat = self.desk.seats.of(ctx)
        if seat is not None and params.uri not in seat.uris:
            await self._subscribe(ctx, params.uri)
            seat.uris.add(params.uri)
        return {}

    async def unsubscribe(self, ctx: Context, params: types.UnsubscribeRequestParams) -> Any:
        """Tell the client of no more of them."""
        seat = self.desk.seats.of(ctx)
        if seat is not None and params.uri in seat.uris:
            seat.uris.discard(params.uri)
            await self._unsubscribe(params.uri)
        return {}

    async def listen(self, ctx: Context, params: types.SubscriptionsListenRequestParams) -> Any:
        """Tell a client of the newer era of changes and updates for as long as it listens."""
        uris = {str(uri) for uri in params.notifications.resource_subscriptions or ()}
        async with contextlib.AsyncExitStack() as held:
            for uri in uris:
                with contextlib.suppress(MCPError):  # one that is not there is honoured, and never heard of
                    await self._subscribe(ctx, uri)
                    held.callback(self._later, uri)
            return await self._listen(ctx, params)

    async def set_level(self, ctx: Context, params: types.SetLevelRequestParams) -> Any:
        """Set what log messages the client wants, and have upstreams send at least these."""
        seat = self.desk.seats.of(ctx)
        if seat is not None:
            seat.level = params.level
        level = {"level": params.level}
        able = [passing for passing in self._gate.passings() if passing.offers("logging")]
        for passing in able:
            with contextlib.suppress(CallFailedError):
                await passing.request("logging/setLevel", level, NOBODY)
        return {}

    async def roots_changed(self, ctx: Context, _params: Any) -> None:
        """Have upstreams ask for the client's roots again."""
        self.desk.seats.of(ctx)
        found = ctx.session.client_capabilities
        if found is not None and found.roots is not None:
            for passing in self._gate.passings():
                await passing.tell("notifications/roots/list_changed")

    def anyone(self) -> SeatClient | None:
        """The only client that there is, where there is only one."""
        taken = self.desk.seats.taken()
        return SeatClient(taken[0]) if len(taken) == 1 else None

    def close(self) -> None:
        """End the subscriptions, each with its answer: they would hold up an orderly end for ever."""
        self._listen.close()

    async def updated(self, params: Mapping[str, Any]) -> None:
        """Tell of an update those who have subscribed to the resource, or to what it is a part of."""
        uri = str(params.get("uri"))
        await self._bus.publish(ResourceUpdated(uri=uri))
        for seat in self.desk.seats.taken():
            if any(uri == wanted or uri.startswith(wanted) for wanted in seat.uris):
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(1):
                        await seat.session.send_resource_updated(uri)

    async def _list(self, ctx: Context, kind: Kind) -> Any:
        self.desk.seats.of(ctx)
        await self._gate.first_opening()
        found = [] if self._caller_of(ctx).restricted else await self.offers.listed(kind)
        return {**COMPLETE, **NOT_CACHED, kind.key: found}

    async def _passed_on(self, ctx: Context, passings: list[Passing], own: Mapping[str, Any]) -> dict[str, Any]:
        """Have the first of `passings` answer that does, with `own` in place of what the client calls it."""
        given = {key: value for key, value in (ctx.params or {}).items() if key not in ("_meta", "requestState")}
        given.pop("inputResponses", None)

        async def make(client: Any, input_: Mapping[str, Any] | None) -> Mapping[str, Any]:
            refused: CallFailedError | None = None
            for passing in passings:
                try:
                    return await passing.request(ctx.method, {**given, **own, **(input_ or {})}, client)
                except CallFailedError as failed:
                    refused = refused or failed
            raise refused or _nowhere(ctx)

        try:
            result = COMPLETE | {**await self.desk.serve(ctx, make)}
        except CallFailedError as failed:
            raise protocol_error(failed) from None
        if requires_input(result):
            fits, why = is_question, "it asks for input, which this client cannot give"
        else:
            fits, why = is_valid, "its answer is not one that MCP knows"
            result = NOT_CACHED | result if ctx.method == "resources/read" else result
        if not fits(ctx.method, ctx.protocol_version, result):
            raise MCPError(types.INTERNAL_ERROR, f"UPSTREAM_ERROR: {why}")
        return result

    async def _prompt(self, ctx: Context, asked: str) -> tuple[Passing, str]:
        """Whose prompt is meant, and its own name for it."""
        found = await self.offers.prompt(asked)
        if found is None or not self._may_use(ctx, found):
            raise MCPError(types.INVALID_PARAMS, f'no prompt is called "{asked}"')
        return self.offers.of(found.upstream), found.name

    def _may_use(self, ctx: Context, prompt: Tool) -> bool:
        """Whether a prompt is there for the caller, by the rules that say so of tools."""
        may_use = self._caller_of(ctx).may_use
        return may_use(prompt.qualified) or may_use(f"{prompt.upstream}{SEPARATOR}{prompt.name}")

    async def _owners(self, ctx: Context, uri: str) -> list[Passing]:
        """Who may have a resource. A caller that may not use everything has no resources: no rule can name them."""
        return [] if self._caller_of(ctx).restricted else await self.offers.resource(uri)

    async def _subscribe(self, ctx: Context, uri: str) -> None:
        await self._gate.first_opening()
        owners = await self._owners(ctx, uri)
        if not owners:
            raise MCPError(types.INVALID_PARAMS, f"no upstream has a resource {uri}")
        refused: CallFailedError | None = None
        for passing in owners:
            try:
                await passing.subscribe(uri, NOBODY)
            except CallFailedError as failed:
                refused = refused or failed
            else:
                self._subscribed[uri] = passing
                return
        if refused is not None:
            raise protocol_error(refused)

    async def _unsubscribe(self, uri: str) -> None:
        passing = self._subscribed.get(uri)
        if passing is not None:
            with contextlib.suppress(CallFailedError):
                await passing.unsubscribe(uri, NOBODY)

    def _later(self, uri: str) -> None:
        task = asyncio.get_running_loop().create_task(self._unsubscribe(uri))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _left(self, seat: Seat) -> None:
        for uri in seat.uris:
            self._later(uri)


def protocol_error(failed: CallFailedError) -> MCPError:
    """The error that a request ends with: the upstream's own, or why there is none."""
    if isinstance(failed, AnsweredWithErrorError):
        return MCPError(failed.rpc_code, str(failed), failed.data)
    return MCPError(types.INTERNAL_ERROR, f"{failed.code}: {failed}")


def _nowhere(ctx: Context) -> CallFailedError:
    uri = (ctx.params or {}).get("uri")
    return AnsweredWithErrorError(f"no upstream has a resource {uri}", types.INVALID_PARAMS, {"uri": uri})
