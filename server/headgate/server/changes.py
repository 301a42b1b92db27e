"""Telling clients that the list of tools is another: by notification in one era, by subscription in the next."""

import asyncio
import logging
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import ListenHandler, SubscriptionBus, ToolsListChanged
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from headgate.server.gate import Gate

logger = logging.getLogger(__name__)

GATHER_S = 0.2
"""Upstreams that come up one after another are told of together."""


class Changes:
    """Run `run` beside the server."""

    def __init__(self, gate: Gate, bus: SubscriptionBus, listening: ListenHandler) -> None:
        """Nobody is told before `run`; `listening` has the subscriptions to `bus`."""
        self._listening = listening
        self._gate = gate
        self._bus = bus
        self._changed = asyncio.Event()
        self._latest: ServerSession | None = None

    def note(self, ctx: ServerRequestContext[Any, Any]) -> None:
        """Remember the way to the client. In the newer era clients subscribe instead.

        The SDK makes a session object for each request; that of the latest reaches the same client.
        """
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            self._latest = ctx.session

    def close(self) -> None:
        """End the subscriptions, each with its answer: they would hold up an orderly end for ever."""
        self._listening.close()

    async def run(self) -> None:
        """Tell of changes, until cancelled."""
        if self._gate.settings.headgate.expose == "batch" and not self._gate.recipes:
            return  # nothing that is listed depends on an upstream
        unwatch = self._gate.watch(self._changed.set)
        try:
            while True:
                await self._changed.wait()
                await asyncio.sleep(GATHER_S)
                self._changed.clear()
                await self._bus.publish(ToolsListChanged())
                if self._latest is not None:
                    await self._tell(self._latest)
        finally:
            unwatch()

    async def _tell(self, session: ServerSession) -> None:
        try:
            async with asyncio.timeout(1):
                await session.send_tool_list_changed()
        except Exception:  # noqa: BLE001 - a client that has gone need not be told
            self._latest = None
