"""An upstream's owner: it opens, watches and reopens, and no caller ever waits longer than its own clock."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from tests.proxy.far import Far, looking, now, running
from tests.proxy.parts import all_at_once, answer, definition, turns
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import CallFailedError, Connection, Opening, SessionGoneError, UnavailableError
from headgate.proxy.replica import LIST_S, RELIST_S
from headgate.proxy.session import SessionConnection
from headgate.proxy.upstream import Upstream
from headgate.tools.rules import Rate, UpstreamRules


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("headgate.proxy.replica").setLevel(logging.ERROR)


@in_virtual_time
async def test_a_call_while_it_is_starting_waits_for_it() -> None:
    far = Far()
    far.takes_s = 3
    async with running(far) as upstream:
        assert upstream.first_opening
        assert upstream.state.state == "starting"
        started = now()
        assert await upstream.call(looking()) == answer()
        assert now() - started == pytest.approx(3, abs=0.01)
        state = upstream.state
        assert (state.state, state.tools, state.reason) == ("ready", 1, None)
        assert state.ready_after_s == pytest.approx(3, abs=0.01)
    assert far.closed == 1


@in_virtual_time
async def test_calls_while_it_is_starting_fail_together_with_the_verdict_and_its_reason() -> None:
    far = Far()
    far.takes_s, far.fails = 3, UnavailableError("cannot start it")
    async with running(far) as upstream:
        started = now()

        async def failing() -> str:
            with pytest.raises(CallFailedError) as failed:
                await upstream.call(looking())
            assert not failed.value.sent
            return str(failed.value)

        said = await all_at_once(*(failing() for _ in range(5)))
        assert set(said) == {'upstream "far" is not available: cannot start it'}
        assert now() - started == pytest.approx(3, abs=0.01)
        assert upstream.listing.unavailable == "cannot start it"


@in_virtual_time
@pytest.mark.parametrize("lost", [False, True])
async def test_calls_that_have_waited_for_a_session_keep_to_their_pace_once_it_has_come(*, lost: bool) -> None:
    far, stamps = Far(), list[float]()

    async def stamp(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        if lost and not stamps:
            stamps.append(now())
            far.memory.drop("it was restarted")
            raise SessionGoneError
        stamps.append(now())
        return answer()

    far.memory.handlers = {"look": stamp}
    far.takes_s = 5
    async with running(far, rate=Rate(1, 1.0, 1)) as upstream:
        assert await all_at_once(*(upstream.call(looking(timeout_s=7)) for _ in range(6))) == [answer()] * 6
        assert now() > 10, "the last one has waited for its turn for longer than its own time is"

    gaps = [later - earlier for earlier, later in pairwise(stamps)]
    assert min(gaps) > 0.999
    assert len(stamps) == 6 + lost


@in_virtual_time
async def test_a_call_that_has_waited_for_a_session_has_not_used_up_its_token() -> None:
    far = Far()
    far.takes_s = 5
    async with running(far, rate=Rate(1, 3_600.0, 1)) as upstream:
        assert await upstream.call(looking()) == answer()
        assert now() == pytest.approx(5, abs=0.01)
        assert await upstream.call(looking()) == answer()
        assert now() == pytest.approx(3_605, abs=0.01)


@in_virtual_time
async def test_a_call_to_one_that_never_opens_ends_at_its_own_timeout() -> None:
    far = Far()
    far.takes_s = 10_000
    async with running(far) as upstream:
        started = now()
        with pytest.raises(CallFailedError, match="did not take the call within 2 s") as failed:
            await upstream.call(looking(timeout_s=2))
        assert not failed.value.sent
        assert now() - started == pytest.approx(2, abs=0.01)


@in_virtual_time
async def test_a_list_of_tools_that_never_comes_counts_as_a_failure() -> None:
    async def never(*_: object) -> Any:
        await asyncio.Event().wait()

    @asynccontextmanager
    async def mute(_opening: Opening) -> AsyncGenerator[Connection]:
        yield SessionConnection(never, never, None)

    upstream = Upstream("far", UpstreamRules(), mute, lambda: None)
    async with asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(upstream.run())
        await upstream.settled()
        owner.cancel()
    assert now() == pytest.approx(LIST_S, abs=0.01)
    assert upstream.state.reason == "no answer to tools/list in 20 s"


@in_virtual_time
async def test_news_of_changed_tools_refreshes_the_list_while_calls_go_on() -> None:
    far = Far()
    changes: list[float] = []
    upstream = Upstream("far", UpstreamRules(), far.open, lambda: changes.append(now()))
    async with asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(upstream.run())
        await upstream.settled()
        changes.clear()
        far.memory.definitions = [definition("look"), definition("new")]
        far.openings[0].tools_changed()
        await turns()
        assert [one["name"] for one in upstream.listing.definitions] == ["look", "new"]
        assert len(changes) == 1
        assert await upstream.call(looking()) == answer()
        owner.cancel()


@in_virtual_time
async def test_one_that_says_without_end_that_its_tools_have_changed_is_listed_now_and_then() -> None:
    far = Far()
    changes: list[float] = []
    upstream = Upstream("far", UpstreamRules(), far.open, lambda: changes.append(now()))
    async with asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(upstream.run())
        await upstream.settled()
        changes.clear()
        for number in range(1_000):
            far.memory.definitions = [definition(f"look_{number}")]
            far.openings[0].tools_changed()
            await asyncio.sleep(10 * RELIST_S / 1_000)
        assert 10 <= len(changes) <= 11
        await asyncio.sleep(RELIST_S)
        assert [one["name"] for one in upstream.listing.definitions] == ["look_999"]
        owner.cancel()


@in_virtual_time
async def test_the_tools_of_one_that_is_down_stay_known() -> None:
    far = Far()
    async with running(far) as upstream:
        await upstream.settled()
        far.fails = UnavailableError("cannot start it")
        far.memory.drop("it ended")
        await asyncio.sleep(10)
        assert upstream.state.state == "failed"
        assert [one["name"] for one in upstream.listing.definitions] == ["look"]
