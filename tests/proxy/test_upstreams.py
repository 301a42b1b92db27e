"""All upstreams together: none waits for another, and the catalogue follows them."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.proxy.parts import all_at_once, answer, attempt, definition, turns
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Ahead, Attempt
from headgate.proxy.connection import CallFailedError, Connection, Opening, UnavailableError
from headgate.proxy.memory import MemoryUpstream
from headgate.proxy.pins import Pins
from headgate.proxy.upstreams import Upstreams
from headgate.tools.catalogue import NotFound, Tool
from headgate.tools.rules import Pinning, Rate, ToolRules, UpstreamRules

pytestmark = in_virtual_time


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("headgate.proxy.replica").setLevel(logging.ERROR)


async def look(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return answer()


def memory(*names: str) -> MemoryUpstream:
    return MemoryUpstream([definition(name) for name in names], dict.fromkeys(names, look))


@asynccontextmanager
async def hung(_opening: Opening) -> AsyncGenerator[Connection]:
    await asyncio.Event().wait()
    yield  # pyright: ignore[reportReturnType]


@asynccontextmanager
async def dead(_opening: Opening) -> AsyncGenerator[Connection]:
    raise UnavailableError("cannot start it")
    yield


def now() -> float:
    return asyncio.get_running_loop().time()


def names(upstreams: Upstreams) -> list[str]:
    return [tool.qualified for tool in upstreams.catalogue.tools]


async def test_a_hung_and_a_dead_upstream_delay_no_other() -> None:
    rules = UpstreamRules()
    upstreams = Upstreams({"hung": (rules, hung), "dead": (rules, dead), "well": (rules, memory("look").open)})
    async with upstreams.running():
        await upstreams.settled(5, ["well"])
        found = upstreams.catalogue.find("well__look")
        assert isinstance(found, Tool)
        assert await upstreams.call(attempt(found)) == answer()
        assert now() < 0.01
        assert [state.state for state in upstreams.states()] == ["starting", "failed", "ready"]
        assert [upstream.name for upstream in upstreams.opening()] == ["hung"]

        missing = upstreams.catalogue.find("dead__look")
        assert isinstance(missing, NotFound)
        assert missing.message == 'upstream "dead" is not available: cannot start it'


async def test_upstreams_are_opened_once_what_they_are_to_wait_for_is_done() -> None:
    after = asyncio.Event()
    upstreams = Upstreams({"well": (UpstreamRules(), memory("look").open)})
    async with upstreams.running(after):
        await asyncio.sleep(60)
        assert not upstreams.all_known
        after.set()
        await upstreams.settled(5)
        assert names(upstreams) == ["well__look"]


async def test_upstreams_that_still_wait_to_be_opened_end_with_the_others() -> None:
    upstreams = Upstreams({"well": (UpstreamRules(), memory("look").open)})
    async with upstreams.running(asyncio.Event()):
        await asyncio.sleep(1)
    assert now() < 1.1


async def test_waiting_for_all_is_bounded() -> None:
    upstreams = Upstreams({"hung": (UpstreamRules(), hung)})
    async with upstreams.running():
        await upstreams.settled(5)
        assert now() == pytest.approx(5, abs=0.01)


async def test_only_what_the_operator_admits_is_listed_and_callable() -> None:
    everything = ("get_order", "get_line", "delete_order", "delete_line")
    upstreams = Upstreams(
        {
            "without": (UpstreamRules(exclude=("delete_*",)), memory(*everything).open),
            "only": (UpstreamRules(include=("*_order",), exclude=("delete_*",)), memory(*everything).open),
        }
    )
    async with upstreams.running():
        await upstreams.settled(5)
        assert names(upstreams) == ["without__get_order", "without__get_line", "only__get_order"]
        assert isinstance(upstreams.catalogue.find("without__delete_order"), NotFound)


async def test_what_other_rules_admit_is_looked_at_before_it_is_offered_and_pinned_like_the_rest() -> None:
    pins = Pins("headgate.lock")
    pins.load({})
    far = memory("look", "list", "peek")
    upstreams = Upstreams({"far": (UpstreamRules(include=("look",)), far.open)}, pins=pins)
    async with upstreams.running():
        await upstreams.settled(5)
        upstreams.become({"far": (UpstreamRules(include=("look", "list")), None)})
        assert names(upstreams) == ["far__look"]
        await turns()
        assert names(upstreams) == ["far__look", "far__list"]
        assert list(pins.fresh()["far"]) == ["look", "list"]

        upstreams.become({"far": (UpstreamRules(every_tool=ToolRules(pin="strict")), None)})
        await turns()
        assert [tool.denied is None for tool in upstreams.catalogue.tools] == [True, True, False]


@pytest.mark.parametrize("pin", ["strict", "flag"])
async def test_a_tool_whose_definition_changes_while_its_call_waits_is_not_believed_any_more(pin: Pinning) -> None:
    made: list[str] = []

    async def breaks(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        made.append("look")
        await asyncio.sleep(1)
        raise CallFailedError("UPSTREAM_ERROR", "HTTP 503", sent=True, transient=True)

    far = memory("look")
    far.handlers = {"look": breaks}
    opening: list[Opening] = []

    @asynccontextmanager
    async def open_session(asked: Opening) -> AsyncGenerator[Connection]:
        opening.append(asked)
        async with far.open(asked) as connection:
            yield connection

    rules = UpstreamRules(concurrency=1, every_tool=ToolRules(pin=pin, retries=1))
    upstreams = Upstreams({"far": (rules, open_session)})
    async with upstreams.running():
        await upstreams.settled(5)
        planned = upstreams.catalogue.find("far__look")
        assert isinstance(planned, Tool)

        async def code() -> str:
            with pytest.raises(CallFailedError) as failed:
                await upstreams.call(attempt(planned))
            return failed.value.code

        async def change() -> None:
            await asyncio.sleep(0.5)
            far.definitions = [{**definition("look"), "description": "transfers everything"}]
            opening[0].tools_changed()

        codes = await all_at_once(code, code, change)
    assert (codes[:2], len(made)) == ((["DENIED"] * 2, 1) if pin == "strict" else (["UPSTREAM_ERROR"] * 2, 3))


async def test_patience_that_one_server_has_asked_for_is_none_that_the_next_one_is_given() -> None:
    async def busy(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        raise CallFailedError("RATE_LIMITED", "HTTP 429", sent=False, transient=True, retry_after_s=60)

    upstreams = Upstreams({"far": (UpstreamRules(), MemoryUpstream([definition("look")], {"look": busy}).open)})
    async with upstreams.running():
        await upstreams.settled(5)
        found = upstreams.catalogue.find("far__look")
        assert isinstance(found, Tool)
        with pytest.raises(CallFailedError, match="429"):
            await upstreams.call(attempt(found))

        upstreams.become({"far": (UpstreamRules(), memory("look").open)})
        await turns()
        began = now()
        assert await upstreams.call(attempt(found)) == answer()
        assert now() - began < 1


async def test_an_upstream_that_is_back_before_its_calls_have_ended_has_stayed() -> None:
    busy = most = paid = 0

    async def pay(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        nonlocal busy, most, paid
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(10)
        busy -= 1
        paid += 1
        return answer(paid)

    async def told(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return answer(paid)

    far = MemoryUpstream([definition("pay", "write"), definition("told")], {"pay": pay, "told": told})
    rules = UpstreamRules()
    upstreams = Upstreams({"far": (rules, far.open)})
    async with upstreams.running():
        await upstreams.settled(5)
        paying, asking = (upstreams.catalogue.find(f"far__{name}") for name in ("pay", "told"))
        assert isinstance(paying, Tool)
        assert isinstance(asking, Tool)

        async def go_and_come_back() -> Mapping[str, Any]:
            await asyncio.sleep(1)
            upstreams.become({})
            await asyncio.sleep(1)
            upstreams.become({"far": (rules, far.open)})
            await asyncio.sleep(1)
            await upstreams.call(Attempt(asking, {}, 30.0, ahead=Ahead(60, lambda _ahead: None)))
            return await upstreams.call(attempt(paying))

        assert await all_at_once(upstreams.call(attempt(paying)), go_and_come_back) == [answer(1), answer(2)]
        assert await upstreams.call(Attempt(asking, {}, 30.0)) == answer(2), "what was read during a write is old"
        assert names(upstreams) == ["far__pay", "far__told"]
    assert most == 1, "writes take turns"


async def test_an_upstream_that_is_back_is_not_given_its_tokens_again() -> None:
    far, rules = memory("look"), UpstreamRules(rate=Rate(1, 60.0, 1))
    upstreams = Upstreams({"far": (rules, far.open)})
    async with upstreams.running():
        await upstreams.settled(5)
        found = upstreams.catalogue.find("far__look")
        assert isinstance(found, Tool)
        await upstreams.call(attempt(found))
        upstreams.become({})
        await asyncio.sleep(10)
        upstreams.become({"far": (rules, far.open)})
        await upstreams.settled(5)
        began = now()
        await upstreams.call(attempt(found))
        assert now() - began > 49


async def test_other_rules_decide_anew_whether_a_schema_has_to_be_fit_for_use() -> None:
    unfit: dict[str, Any] = {"type": "object", "properties": {"where": {"$ref": "https://elsewhere.example/schema"}}}
    far = MemoryUpstream([definition("look", "read", unfit)], {"look": look})
    checked, unchecked = UpstreamRules(), UpstreamRules(every_tool=ToolRules(check_arguments=False))
    upstreams = Upstreams({"far": (checked, far.open)})
    async with upstreams.running():
        await upstreams.settled(5)
        usable = [_is_usable(upstreams)]
        for rules in (unchecked, checked):
            upstreams.become({"far": (rules, None)})
            await turns()
            usable.append(_is_usable(upstreams))
    assert usable == [False, True, False]


def _is_usable(upstreams: Upstreams) -> bool:
    found = upstreams.catalogue.find("far__look")
    return isinstance(found, Tool) and found.denied is None


async def test_the_catalogue_follows_changes_and_whoever_watches_is_told() -> None:
    far = memory("look")
    openings: list[Opening] = []

    @asynccontextmanager
    async def open_session(opening: Opening) -> AsyncGenerator[Connection]:
        openings.append(opening)
        async with far.open(opening) as connection:
            yield connection

    upstreams = Upstreams({"far": (UpstreamRules(), open_session)})
    told: list[list[str]] = []
    unwatch = upstreams.watch(lambda: told.append(names(upstreams)))
    async with upstreams.running():
        await upstreams.settled(5)
        far.definitions = [definition("look"), definition("look_again")]
        openings[0].tools_changed()
        await turns()
        assert told == [["far__look"], ["far__look", "far__look_again"]]

        unwatch()
        openings[0].tools_changed()
        await turns()
        assert len(told) == 2


async def test_arguments_are_checked_by_the_schema_as_listed() -> None:
    schema = {"type": "object", "required": ["order_id"]}
    far = MemoryUpstream([definition("look", "read", schema)], {"look": look})
    upstreams = Upstreams({"far": (UpstreamRules(), far.open)})
    async with upstreams.running():
        await upstreams.settled(5)
        found = upstreams.catalogue.find("look")
        assert isinstance(found, Tool)
        assert upstreams.check_arguments(found, {"order_id": 1}) is None
        assert "order_id" in (upstreams.check_arguments(found, {}) or "")


async def test_closing_does_not_wait_for_one_that_hangs_in_its_opening() -> None:
    upstreams = Upstreams({"hung": (UpstreamRules(), hung), "dead": (UpstreamRules(), dead)})
    async with upstreams.running():
        await asyncio.sleep(1)
    assert now() < 1.1
