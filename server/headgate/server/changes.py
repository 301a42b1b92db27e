"""Telling clients that a list is another: by notification in one era, by subscription in the next."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from mcp.server.session import ServerSession
from mcp.server.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ServerEvent,
    SubscriptionBus,
    ToolsListChanged,
)

from headgate.server.gate import Gate
from headgate.server.passing.handlers import Passed

logger = logging.getLogger(__name__)

GATHER_S = 0.2
"""Upstreams that come up one after another are told of together."""

_Tell = Callable[[ServerSession], Awaitable[None]]
_LISTS: Mapping[str, tuple[ServerEvent, _Tell]] = {
    "notifications/tools/list_changed": (ToolsListChanged(), ServerSession.send_tool_list_changed),
    "notifications/prompts/list_changed": (PromptsListChanged(), ServerSession.send_prompt_list_changed),
    "notifications/resources/list_changed": (ResourcesListChanged(), ServerSession.send_resource_list_changed),
}


class Changes:
    """Run `run` beside the server."""

    def __init__(self, gate: Gate, bus: SubscriptionBus, passed: Passed) -> None:
        """Nobody is told before `run`."""
        self._gate = gate
        self._bus = bus
        self._passed = passed
        self._news = asyncio.Event()
        self._changed: set[str] = set()
        self._updated: dict[str, Mapping[str, Any]] = {}
        self._offered: object = None
        """What clients have been told of, as far as their lists of tools depend on it."""

    def close(self) -> None:
        """End the subscriptions, each with its answer: they would hold up an orderly end for ever."""
        self._passed.close()

    async def run(self) -> None:
        """Tell of changes, until cancelled."""
        self._offered = self._offers()
        unwatch = self._gate.watch(self._tools_changed)
        self._gate.clients.news = self._take
        self._gate.clients.anyone = self._passed.anyone
        try:
            while True:
                await self._news.wait()
                if self._changed:
                    await asyncio.sleep(GATHER_S)
                self._news.clear()
                changed, self._changed = self._changed, set()
                updated, self._updated = self._updated, {}
                for method in changed:
                    await self._tell(*_LISTS[method])
                for params in updated.values():
                    await self._passed.updated(params)
        finally:
            unwatch()
            self._passed.desk.close()

    def _tools_changed(self) -> None:
        before, self._offered = self._offered, self._offers()
        with suppress(RecursionError):  # one is nested too deeply to be compared
            if before == self._offered:
                return  # upstreams come and go, and some say without end that their tools have changed
        self._changed.add("notifications/tools/list_changed")
        self._news.set()

    def _offers(self) -> object:
        tools = [(tool.qualified, tool.kind, tool.rules.kind, tool.definition) for tool in self._gate.offered()]
        return tools, self._gate.settings.tenants

    def _take(self, _upstream: str, method: str, params: Mapping[str, Any]) -> None:
        if method in _LISTS:
            self._changed.add(method)
        else:
            self._updated[str(params.get("uri"))] = params
        self._news.set()

    async def _tell(self, event: ServerEvent, tell: _Tell) -> None:
        await self._bus.publish(event)
        for seat in self._passed.desk.seats.taken():
            try:
                async with asyncio.timeout(1):
                    await tell(seat.session)
            except Exception as broken:  # noqa: BLE001 - a client that has gone need not be told
                logger.debug("a client was not told of a change (%s)", type(broken).__name__)
