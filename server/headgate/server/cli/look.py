"""A look at all upstreams: what each offers, or why it does not."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from headgate.proxy.target import EndpointsTarget
from headgate.server.cli.at_once import Probe, Probed, probed
from headgate.server.cli.catalogue_view import rate
from headgate.server.cli.display import waiting
from headgate.server.cli.quiet import keep_log_quiet
from headgate.server.opening import open_gate
from headgate.server.settings import Settings
from headgate.tools.catalogue import Tool
from headgate.tools.rules import UpstreamRules

_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class UpstreamSeen:
    """One upstream as it was found."""

    name: str
    state: str
    tools: int
    ready_ms: int | None
    reason: str | None
    limits: str
    """Those that all its tools share."""

    def said(self) -> str:
        """How it is, in words."""
        if self.state == "ready":
            return f"in {self.ready_ms} ms, {self.tools} tool{'' if self.tools == 1 else 's'}"
        return self.reason or f"no answer in {_WAIT_S:g} s"

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        reason = None if self.state == "ready" else self.said()
        return asdict(self) | {"reason": reason}


@dataclass(frozen=True, slots=True)
class Seen:
    """All tools, recipes at the end, and all upstreams."""

    tools: Sequence[Tool]
    upstreams: Sequence[UpstreamSeen]
    faults: Sequence[str]
    """What the upstreams' tools have against the recipes."""
    flagged: Sequence[Tool] = ()
    """Tools whose definitions an operator should look at."""
    probed: Sequence[Probed] = ()


def look(settings: Settings, *, reach: bool = False, probes: Sequence[Probe] = ()) -> Seen:
    """Open every upstream, wait until each is listed or has failed, and make the calls of `probes`.

    With `reach`, one of plain HTTP endpoints, whose opening asks its server nothing, is connected to as well.
    """
    keep_log_quiet()
    count = len(settings.upstreams)
    with waiting(f"starting {count} upstream{'' if count == 1 else 's'}"):
        return asyncio.run(_look(settings, probes, reach=reach))


async def _look(settings: Settings, probes: Sequence[Probe], *, reach: bool) -> Seen:
    async with open_gate(settings) as gate:
        async with asyncio.TaskGroup() as tasks:
            asked = {name: tasks.create_task(_unreachable(settings, name)) for name in settings.upstreams if reach}
            await gate.settled(_WAIT_S)
        reasons = {name: task.result() for name, task in asked.items()}
        upstreams = [
            UpstreamSeen(
                name=each.name,
                state="failed" if reasons.get(each.name) else each.state,
                tools=each.tools,
                ready_ms=None if each.ready_after_s is None else round(each.ready_after_s * 1000),
                reason=each.reason or reasons.get(each.name),
                limits=_limits(settings.upstreams[each.name].rules),
            )
            for each in gate.upstreams()
        ]
        catalogue = gate.catalogue()
        tools = (*catalogue.tools, *gate.recipes.tools(catalogue))
        flagged = [tool for tool in catalogue.tools if tool.flag is not None]
        found = [await probed(gate, probe) for probe in probes]
        return Seen(tools, upstreams, gate.recipes.faults(catalogue), flagged, found)


async def _unreachable(settings: Settings, name: str) -> str | None:
    target = settings.upstreams[name].target
    if not isinstance(target, EndpointsTarget):
        return None
    from headgate.proxy.endpoints.reaching import unreachable  # noqa: PLC0415 - an HTTP client, which few need

    return await unreachable(target)


def _limits(rules: UpstreamRules) -> str:
    return f"{rules.concurrency} at once" + (f", {rate(rules.rate)}" if rules.rate else "")
