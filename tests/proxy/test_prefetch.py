"""Calls made ahead, as what stands between the gate and the upstreams sees them."""

import asyncio

import pytest
from tests.proxy.counter import Tally
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Attempt
from headgate.proxy.prefetch import Prefetch, Prefetched
from headgate.tools.catalogue import Tool
from headgate.tools.prefetch import PrefetchCall, PrefetchRule


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
