"""Waiting for the upstreams that a batch needs: a person would only try again, where an agent has to be answered."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import cast

from headgate.server.gate import Gate
from headgate.tools.catalogue import NotFound

_WAIT_S = 60.0
_LOOK_S = 0.05


async def until_known(gate: Gate, request: Mapping[str, object]) -> None:
    """Wait while a tool of the batch is unknown and its upstream is starting, for a minute at most."""
    names = set(_tools_in(request))
    loop = asyncio.get_running_loop()
    until = loop.time() + _WAIT_S
    while loop.time() < until and _may_come(gate, names):
        await gate.settled(_LOOK_S)


def _may_come(gate: Gate, names: set[str]) -> bool:
    """Whether one of the tools is unknown only because an upstream that may have it is not up yet."""
    starting = {upstream.name for upstream in gate.upstreams() if upstream.state == "starting"}
    catalogue = gate.catalogue()
    unknown = [name for name in names if isinstance(catalogue.find(name), NotFound)]
    homes = {catalogue.upstream_named_in(name) for name in unknown}
    return bool(starting & homes) or (None in homes and bool(starting))


def _tools_in(request: Mapping[str, object]) -> Iterator[str]:
    calls = request.get("calls")
    for call in cast("list[object]", calls) if isinstance(calls, list) else ():
        if isinstance(call, dict):
            given = cast("dict[str, object]", call)
            name = given.get("tool", given.get("name"))
            if isinstance(name, str):
                yield name
