"""Calls made ahead, as what stands between the gate and the upstreams sees them."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.proxy.counter import Tally
from tests.proxy.parts import answer, definition
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Ahead, Attempt
from headgate.proxy.memory import Handler, MemoryUpstream
from headgate.proxy.prefetch import Prefetch, Prefetched
from headgate.proxy.upstreams import Upstreams
from headgate.tools.catalogue import Tool
from headgate.tools.prefetch import PrefetchCall, PrefetchRule
from headgate.tools.rules import UpstreamRules


@in_virtual_time
@pytest.mark.parametrize(("principal", "made"), [("ann", 1), ("bob", 2)])
async def test_an_answer_is_for_the_principal_on_whose_behalf_it_was_fetched(principal: str, made: int) -> None:
    tally = Tally()
    rule = PrefetchRule("t__refuse", (PrefetchCall("t__get", {"k": "a"}),))
    async with tally.up() as upstreams, asyncio.TaskGroup() as tasks:
        when, then = upstreams.catalogue.find("t__refuse"), upstreams.catalogue.find("t__get")
        assert isinstance(when, Tool)
        assert isinstance(then, Tool)
        prefetch = Prefetch({"rule": rule}, upstreams, tasks)
        prefetch.called(when, {}, "ann")
        await asyncio.sleep(2)
        await upstreams.call(Attempt(then, {"k": "a"}, then.rules.timeout_s, principal=principal))

    assert tally.made["get"] == made
    assert prefetch.count == Prefetched(used=2 - made, wasted=0)


@in_virtual_time
async def test_an_answer_fetched_from_where_the_upstream_was_before_is_given_to_nobody() -> None:
    before, now = (MemoryUpstream([definition("look")], {"look": telling(where)}) for where in ("before", "now"))
    upstreams = Upstreams({"up": (UpstreamRules(), before.open)})
    async with upstreams.running():
        await upstreams.settled(5)
        look = upstreams.catalogue.find("up__look")
        assert isinstance(look, Tool)
        await upstreams.call(Attempt(look, {}, 30.0, ahead=Ahead(10, lambda _ahead: None)))
        upstreams.become({"up": (UpstreamRules(), now.open)})
        await asyncio.sleep(1)
        assert await upstreams.call(Attempt(look, {}, 30.0)) == answer("now")


def telling(where: str) -> Handler:
    async def look(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return answer(where)

    return look
