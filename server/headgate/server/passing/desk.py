"""Requests of clients that are passed on to an upstream, with somebody at their side for what the upstream asks back.

In the newer era a client is asked by answering its request with a question; it then makes the request again. An
upstream of the older era has asked in the midst of one that it goes on with, so that one is *parked* meanwhile.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError

from headgate.proxy.client import Client
from headgate.server.callers import CallerOf
from headgate.server.passing.clients import BatchClient, RequestClient, RoundsClient, client_of
from headgate.server.passing.seats import Context, Seat, Seats

PARKED_S = 600.0
"""How long a parked request waits for its client."""
MAX_PARKED = 100
_STATE = "headgate:"
"""How the state begins that a client is given for a parked request."""

Make = Callable[[Client, Mapping[str, Any] | None], Awaitable[Mapping[str, Any]]]
"""Passes a request on: takes the client and the input that the request brings with it."""


@dataclass(slots=True)
class _Parked:
    client: RoundsClient
    task: asyncio.Task[Mapping[str, Any]]
    request: tuple[Hashable, str, object, object]
    timer: asyncio.TimerHandle | None = None


class Desk:
    """Where requests are passed on."""

    def __init__(self, left: Callable[[Seat], None], caller_of: CallerOf) -> None:
        """`left` is told of each client of the handshake era that has gone."""
        self._caller_of = caller_of
        self.seats = Seats(left)
        self._parked: dict[str, _Parked] = {}
        self._tasks: set[asyncio.Task[Mapping[str, Any]]] = set()

    async def serve(self, ctx: Context, make: Make) -> Mapping[str, Any]:
        """Pass a request on, and everything that goes between its client and its upstream meanwhile.

        Raises:
            MCPError: The request goes on with one that is not known.

        """
        seat = self.seats.of(ctx)
        input_ = _input_in(ctx)
        if seat is None:
            return await self._in_rounds(ctx, make, input_)
        client = RequestClient(ctx, seat)
        try:
            result = await make(client, input_)
            await client.drained()
            return result
        finally:
            client.close()

    def batch_client(self, ctx: Context) -> BatchClient:
        """The client of a batch; to be drained and closed by whoever runs it."""
        return BatchClient(ctx, self.seats.of(ctx))

    def close(self) -> None:
        """End every request that is parked."""
        for task in self._tasks:
            task.cancel()

    async def _in_rounds(self, ctx: Context, make: Make, input_: Mapping[str, Any] | None) -> Mapping[str, Any]:
        state = (input_ or {}).get("requestState")
        if input_ is not None and isinstance(state, str) and state.startswith(_STATE):
            parked = self._resumed(ctx, state, input_)
        else:
            client = RoundsClient(ctx, self._caller_of(ctx).principal)
            if not client.capabilities:
                try:
                    result = await make(client, input_)
                    await client.drained()
                    return result
                finally:
                    client.close()
            parked = self._taken_on(ctx, client, _passed_on(make, client, input_))
        return await self._round(parked)

    async def go_on(
        self, ctx: Context, client: RoundsClient, making: Coroutine[Any, Any, Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """See a request through that has been passed on already, and of which `making` gives the result.

        Raises:
            MCPError: Too many wait for their clients' input.

        """
        return await self._round(self._taken_on(ctx, client, making))

    def _taken_on(self, ctx: Context, client: RoundsClient, making: Coroutine[Any, Any, Mapping[str, Any]]) -> _Parked:
        task = asyncio.get_running_loop().create_task(making)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return _Parked(client, task, self._identity_of(ctx))

    async def _round(self, parked: _Parked) -> Mapping[str, Any]:
        """Wait for the answer or for a question, whichever comes first."""
        asked = asyncio.get_running_loop().create_task(parked.client.asked.wait())
        try:
            await asyncio.wait({parked.task, asked}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            parked.task.cancel()
            raise
        finally:
            asked.cancel()
        await parked.client.drained()
        if parked.task.done():
            parked.client.close()
            return await parked.task
        return self._park(parked)

    def _park(self, parked: _Parked) -> dict[str, Any]:
        if len(self._parked) >= MAX_PARKED:
            parked.task.cancel()
            raise MCPError(types.INTERNAL_ERROR, f"{MAX_PARKED} requests wait for their clients' input already")
        state = f"{_STATE}{secrets.token_hex(16)}"
        self._parked[state] = parked
        parked.timer = asyncio.get_running_loop().call_later(PARKED_S, self._give_up, state)
        return {"resultType": "input_required", "inputRequests": parked.client.questions(), "requestState": state}

    def _resumed(self, ctx: Context, state: str, input_: Mapping[str, Any]) -> _Parked:
        parked = self._parked.get(state)
        if parked is None or parked.request != self._identity_of(ctx):
            raise MCPError(types.INVALID_PARAMS, "requestState is that of no request that waits for input")
        del self._parked[state]
        if parked.timer is not None:
            parked.timer.cancel()
        parked.client.resume(ctx, input_.get("inputResponses"))
        return parked

    def _identity_of(self, ctx: Context) -> tuple[Hashable, str, object, object]:
        """What the tries of one request have in common."""
        params = ctx.params or {}
        client = client_of(ctx, self._caller_of(ctx).principal)
        return client, ctx.method, params.get("name", params.get("uri")), params.get("arguments")

    def _give_up(self, state: str) -> None:
        parked = self._parked.pop(state, None)
        if parked is not None:
            parked.task.cancel()

    def _ended(self, task: asyncio.Task[Mapping[str, Any]]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits for it has it too; where nobody does, it is nobody's


async def _passed_on(make: Make, client: Client, input_: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return await make(client, input_)


def _input_in(ctx: Context) -> dict[str, Any] | None:
    params = ctx.params or {}
    found = {key: params[key] for key in ("inputResponses", "requestState") if params.get(key) is not None}
    return found or None
