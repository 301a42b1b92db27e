"""Whether an upstream does several calls at once, found out with a read that the operator has chosen.

Nothing else could tell: a server that does one call at a time answers pings and lists tools as any other, and to call
tools that nobody has named is not for a check to do.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from headgate.server.gate import Gate
from headgate.tools.catalogue import NotFound, Tool

AT_ONCE = 4
"""Calls that are made at the same time."""
QUICKEST_S = 0.02
"""A call quicker than this says nothing: what is measured then is the way to the server."""


class ProbeError(ValueError):
    """A probe is none. Its text says how to write one."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A call to be made alone and several times at once."""

    tool: str
    arguments: Mapping[str, Any]

    @classmethod
    def read(cls, written: str) -> "Probe":
        """The probe of `TOOL` or `TOOL={"argument": …}`.

        Raises:
            ProbeError: It is neither.

        """
        tool, _, text = written.partition("=")
        try:
            arguments = json.loads(text or "{}")
        except ValueError:
            arguments = None
        if not tool or not isinstance(arguments, dict):
            raise ProbeError('write a probe as TOOL or TOOL={"argument": "value"}')
        return cls(tool, cast("dict[str, Any]", arguments))


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe has shown."""

    tool: str
    alone_ms: int | None = None
    together_ms: int | None = None
    """How long it took until the last of several calls at once was answered."""
    said: str = ""

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return asdict(self)


async def probed(gate: Gate, probe: Probe) -> Probed:
    """Make the call of `probe` twice alone, of which the second counts, and then several times at once."""
    tool = gate.catalogue().find(probe.tool)
    if isinstance(tool, NotFound):
        return Probed(probe.tool, said=tool.message)
    if tool.kind != "read":
        return Probed(tool.qualified, said="this is a write: probe with a read")
    try:
        await _seconds(gate, probe, tool, 1)
        alone_s = await _seconds(gate, probe, tool, 1)
        together_s = await _seconds(gate, probe, tool, AT_ONCE)
    except _FailedError as failed:
        return Probed(tool.qualified, said=f"the call failed: {failed}")
    times = together_s / alone_s
    said = f"{AT_ONCE} calls at once took {times:.1f} times as long as one"
    if alone_s < QUICKEST_S:
        said = "one call is answered too quickly to tell: probe with one that takes longer"
    elif times > 0.75 * AT_ONCE:
        said += ": it does one call at a time, and replicas would let it do more"
    elif times > 0.4 * AT_ONCE:
        said += ": it does some of its work one call at a time"
    return Probed(tool.qualified, round(alone_s * 1000), round(together_s * 1000), said)


class _FailedError(Exception):
    pass


async def _seconds(gate: Gate, probe: Probe, tool: Tool, count: int) -> float:
    # Equal reads on their way would be one call; with different timeouts they are not equal.
    calls: list[dict[str, Any]] = [
        {"tool": tool.qualified, "arguments": probe.arguments, "timeout_s": tool.rules.timeout_s * (1 - number / 1000)}
        for number in range(count)
    ]
    reply = await gate.batch(calls)
    for result in reply.get("results", ()):
        if result["status"] != "ok":
            raise _FailedError(result.get("error", result["status"]))
    if "results" not in reply:
        raise _FailedError(reply["problems"][0]["message"])
    return reply["duration_ms"] / 1000 or 0.0005
