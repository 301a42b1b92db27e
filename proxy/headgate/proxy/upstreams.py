"""All upstreams together: opened at the same time, none waiting for another, and the catalogue of what they offer."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from headgate.proxy.attempt import Attempt
from headgate.proxy.connection import CallFailedError, Open
from headgate.proxy.direct import Direct
from headgate.proxy.journal.journaled import Writes
from headgate.proxy.limits import Limits
from headgate.proxy.passing import Clients, Passing
from headgate.proxy.pins import Pins
from headgate.proxy.upstream import RETIRING_S, Upstream, UpstreamState
from headgate.tools.catalogue import Catalogue, Tool
from headgate.tools.rules import UpstreamRules

if TYPE_CHECKING:
    from headgate.proxy.arguments import ArgumentChecker


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
        self.clients = Clients()
        self._writes = writes
        self._pins = pins or Pins()
        self._pins.replaced = self._relist
        self._limits: dict[str, Limits] = {}
        """By upstream, of those that are gone too: one may be back before its tokens are."""
        self._leaving: dict[str, Upstream] = {}
        """Those that are gone from the settings, and have calls to end."""
        self._upstreams = {name: self._made(name, *opener) for name, opener in openers.items()}
        self._owners: dict[Upstream, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._arguments: ArgumentChecker | None = None
        self._watchers: list[Callable[[], None]] = []
        self.catalogue = Catalogue(upstream.listing for upstream in self._upstreams.values())
        self.all_known = not self._upstreams
        """Whether each upstream has been ready or has failed once."""

    @asynccontextmanager
    async def running(self, after: asyncio.Event | None = None) -> AsyncGenerator[None]:
        """Open every upstream in the background, once `after` is set where it is given; close them all in the end."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for upstream in self._upstreams.values():
                self._owners[upstream] = tasks.create_task(_run(upstream, after))
            try:
                yield
            finally:
                self._tasks = None
                for upstream in list(self._owners):
                    self._close(upstream)

    @property
    def confirms(self) -> bool:
        """Whether a person has to be asked about any write."""
        return any(upstream.rules.confirms for upstream in self._upstreams.values())

    def become(self, openers: Mapping[str, tuple[UpstreamRules, Open | None]]) -> None:
        """Be these upstreams from now on, in this order; no call under way is dropped for it.

        One that stays keeps its limits where they are, and its sessions too unless there is an opener for others. One
        that is not among them ends once its calls have; where it is back before that, it has stayed.
        """
        before = dict(self._upstreams)
        self._upstreams.clear()
        for name, (rules, open_session) in openers.items():
            upstream = before.pop(name, None) or self._leaving.pop(name, None)
            if upstream is not None:
                upstream.obey(rules)
                if open_session is not None:
                    upstream.reopen(open_session)
            elif open_session is not None:
                upstream = self._made(name, rules, open_session)
                if self._tasks is not None:
                    self._owners[upstream] = self._tasks.create_task(upstream.run())
            else:
                raise ValueError(f'nothing opens the new upstream "{name}"')
            self._upstreams[name] = upstream
        if self._tasks is not None:
            self._leaving |= before
            for name, upstream in before.items():
                self._tasks.create_task(self._retire(name, upstream))
        self._relist()

    def _made(self, name: str, rules: UpstreamRules, open_session: Open) -> Upstream:
        limits = self._limits.setdefault(name, Limits(rules, name))
        limits.obey(rules)
        upstream = Upstream(name, rules, open_session, self._relist, self._writes, self._pins, limits=limits)
        upstream.passing.clients = self.clients
        return upstream

    async def _retire(self, name: str, upstream: Upstream) -> None:
        while upstream.calls:  # noqa: ASYNC110 - each call would pay for an event that hardly ever matters
            await asyncio.sleep(RETIRING_S)
        if self._leaving.get(name) is upstream:
            del self._leaving[name]
            self._close(upstream)

    def _close(self, upstream: Upstream) -> None:
        upstream.close()
        owner = self._owners.pop(upstream, None)
        if owner is not None:
            owner.cancel()

    async def call(self, attempt: Attempt) -> Mapping[str, Any]:
        """Send a call on its way to the tool's upstream.

        Raises:
            CallFailedError: There is no result, and why.

        """
        if attempt.tool.denied is not None:
            raise CallFailedError("DENIED", attempt.tool.denied, sent=False)
        upstream = self._upstreams.get(attempt.tool.upstream)
        if upstream is None:
            words = f'upstream "{attempt.tool.upstream}" is not configured any more'
            raise CallFailedError("UPSTREAM_UNAVAILABLE", words, sent=False)
        upstream.calls += 1
        try:
            return await upstream.call(attempt)
        finally:
            upstream.calls -= 1

    def begin(self, direct: Direct) -> bool:
        """Have a read set out to its tool's upstream, if it need not wait for anything; whether it has."""
        tool = direct.attempt.tool
        upstream = self._upstreams.get(tool.upstream) if tool.denied is None else None
        return upstream is not None and upstream.begin(direct)

    def passings(self) -> tuple[Passing, ...]:
        """The ways of everything but calls, in the order of the settings."""
        return tuple(upstream.passing for upstream in self._upstreams.values())

    def check_arguments(self, tool: Tool, arguments: Mapping[str, Any]) -> str | None:
        """What is wrong with a call's arguments."""
        forward = tool.rules.forward
        if forward is not None and forward.into == "argument":
            arguments = {forward.name: "", **arguments}  # headgate fills it in when the call goes out
        return (self._arguments or self._checker()).check(tool, arguments)

    def _checker(self) -> "ArgumentChecker":
        from headgate.proxy.arguments import ArgumentChecker  # noqa: PLC0415 - no start has to wait for it

        self._arguments = ArgumentChecker()
        return self._arguments

    def typical_s(self, tool: Tool) -> float | None:
        """How long a call of `tool` has taken of late, in seconds; `None` where there was none."""
        upstream = self._upstreams.get(tool.upstream)
        return None if upstream is None else upstream.durations.typical_s(tool.name)

    def states(self) -> tuple[UpstreamState, ...]:
        """What there is to say of each, in the order of the settings."""
        return tuple(upstream.state for upstream in self._upstreams.values())

    def opening(self, names: Iterable[str] | None = None) -> list[Upstream]:
        """Those of `names` (all, without them) of which nothing is known yet: their first opening is under way."""
        wanted = self._upstreams if names is None else set(names)
        return [upstream for name, upstream in self._upstreams.items() if name in wanted and upstream.first_opening]

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


async def _run(upstream: Upstream, after: asyncio.Event | None) -> None:
    if after is not None:
        await after.wait()
    await upstream.run()
