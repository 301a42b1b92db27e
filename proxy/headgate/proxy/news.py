"""News of what an upstream offers, in the era in which it tells nothing of its own accord: one listens for it."""

import asyncio
import logging
from dataclasses import dataclass, field

from mcp.client.session import ClientSession
from mcp.client.subscriptions import listen

from headgate.proxy.connection import Opening

logger = logging.getLogger(__name__)

_LISTEN_AGAIN_S, _LONGEST_S = 1.0, 60.0
"""How long to wait before listening for changes again, at first and at most."""


async def listen_for_changes(session: ClientSession, opening: Opening) -> None:
    """Listen for changes of its lists. Not all upstreams offer it.

    A stream that is lost is opened again, and what may have changed meanwhile is looked at. Changes of other lists than
    that of tools reach `opening` as the notifications that they are.
    """
    wait_s = _LISTEN_AGAIN_S
    offered = False
    while True:
        try:
            async with listen(
                session, tools_list_changed=True, prompts_list_changed=True, resources_list_changed=True
            ) as changes:
                offered = True
                async for _ in changes:
                    wait_s = _LISTEN_AGAIN_S
        except Exception as broken:  # noqa: BLE001 - without news of changes the upstream is as good as with them
            logger.debug('upstream "%s" tells of no changes (%s)', opening.upstream, type(broken).__name__)
            if not offered:
                return
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, _LONGEST_S)
        opening.tools_changed()


@dataclass(slots=True)
class Wanted:
    """The resources whose updates somebody wants, as long as the session lasts."""

    uris: set[str] = field(default_factory=set[str])
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while the stream is open that brings them, or when none can be had."""

    async def want(self, uri: str, *, wanted: bool) -> None:
        """Listen for updates of `uri`, or no more. Returns when that is so."""
        (self.uris.add if wanted else self.uris.discard)(uri)
        self.heard.clear()
        self.changed.set()
        await self.heard.wait()


async def listen_for_updates(session: ClientSession, opening: Opening, wanted: Wanted) -> None:
    """Keep one stream open for the resources that are `wanted`, another one whenever they are others."""
    while True:
        wanted.changed.clear()
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(_listen_for(session, opening, wanted))
            await wanted.changed.wait()
            listening.cancel()


async def _listen_for(session: ClientSession, opening: Opening, wanted: Wanted) -> None:
    wait_s = _LISTEN_AGAIN_S
    while wanted.uris:
        try:
            async with listen(session, resource_subscriptions=sorted(wanted.uris)) as updates:
                wanted.heard.set()
                async for _ in updates:
                    wait_s = _LISTEN_AGAIN_S
        except Exception as broken:  # noqa: BLE001 - as with changes: there are updates as far as there are any
            logger.debug('upstream "%s" tells of no updates (%s)', opening.upstream, type(broken).__name__)
        wanted.heard.set()
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, _LONGEST_S)
    wanted.heard.set()
