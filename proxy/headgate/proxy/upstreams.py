"""All upstreams together: opened at the same time, none waiting for another, and the catalogue of what they offer."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from headgate.proxy.arguments import ArgumentChecker
from headgate.proxy.attempt import Attempt
from headgate.proxy.connection import CallFailedError, Open
from headgate.proxy.journal.journaled import Writes
from headgate.proxy.pins import Pins
from headgate.proxy.upstream import Upstream, UpstreamState
from headgate.tools.catalogue import Catalogue, Tool
from headgate.tools.rules import UpstreamRules


class Upstreams:
    """The upstreams by name, and the catalogue as it stands."""

    def __init__(
        self,
        openers: Mapping[str, tuple[UpstreamRules, Open]],
        writes: Writes | None = None,
        pins: Pins | None = None,
    ) -> None:
        """Nothing is opened before `running`. `writes` are where writes are written down, if anywhere.

        Without `pins`, definitions are pinned for as long as this lives.
        """
        pins = pins or Pins()
        pins.replaced = self._relist
        self._upstreams = {
            name: Upstream(name, rules, open_session, self._relist, writes, pins)
            for name, (rules, open_session) in openers.items()
        }
        self.confirms = any(rules.confirms for rules, _ in openers.values())
        """Whether a person has to be asked about any write."""
        self._arguments = ArgumentChecker()
        self._watchers: list[Callable[[], None]] = []
        self.catalogue = Catalogue(upstream.listing for upstream in self._upstreams.values())
        self.all_known = not self._upstreams
        """Whether each upstream has been ready or has failed once."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Open every upstream in the background; close them all in the end."""
        async with asyncio.TaskGroup() as tasks:
            owners = [tasks.create_task(upstream.run()) for upstream in self._upstreams.values()]
            try:
                yield
            finally:
                for upstream, owner in zip(self._upstreams.values(), owners, strict=True):
                    upstream.close()
                    owner.cancel()

    async def call(self, attempt: Attempt) -> Mapping[str, Any]:
        """Send a call on its way to the tool's upstream.

        Raises:
            CallFailedError: There is no result, and why.

        """
        if attempt.tool.denied is not None:
            raise CallFailedError("DENIED", attempt.tool.denied, sent=False)
        return await self._upstreams[attempt.tool.upstream].call(attempt)

    def check_arguments(self, tool: Tool, arguments: Mapping[str, Any]) -> str | None:
        """What is wrong with a call's arguments."""
        forward = tool.rules.forward
        if forward is not None and forward.into == "argument":
            arguments = {forward.name: "", **arguments}  # headgate fills it in when the call goes out
        return self._arguments.check(tool, arguments)

    def typical_s(self, tool: Tool) -> float | None:
        """How long a call of `tool` has taken of late, in seconds; `None` where there was none."""
        return self._upstreams[tool.upstream].durations.typical_s(tool.name)

    def states(self) -> tuple[UpstreamState, ...]:
        """What there is to say of each, in the order of the settings."""
        return tuple(upstream.state for upstream in self._upstreams.values())

    def opening(self, names: Iterable[str] | None = None) -> list[Upstream]:
        """Those of `names` (all, without them) of which nothing is known yet: their first opening is under way."""
        wanted = self._upstreams.values() if names is None else (self._upstreams[name] for name in names)
        return [upstream for upstream in wanted if upstream.first_opening]

    async def settled(self, timeout_s: float, names: Iterable[str] | None = None) -> None:
        """Wait until each of `names` (all, without them) has been ready or has failed once, `timeout_s` at most."""
        waiting = self.opening(names)
        if not waiting:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as tasks:
                for upstream in waiting:
                    tasks.create_task(upstream.settled())

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` whenever the catalogue is another; returns what ends that."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    def _relist(self) -> None:
        self.all_known = not self.opening()
        self.catalogue = Catalogue(upstream.listing for upstream in self._upstreams.values())
        for changed in list(self._watchers):
            changed()
