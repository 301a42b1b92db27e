"""An upstream's owner: it opens, watches and reopens, and no caller ever waits longer than its own clock."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from typing import Any

import anyio
import pytest
from tests.proxy.parts import all_at_once, answer, attempt, definition, tool, turns
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import CallFailedError, Connection, Opening, UnavailableError
from headgate.proxy.memory import MemoryUpstream
from headgate.proxy.replica import LIST_S, reason_of
from headgate.proxy.session import SessionConnection
from headgate.proxy.upstream import Upstream
from headgate.tools.rules import ToolRules, UpstreamRules


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("headgate.proxy.replica").setLevel(logging.ERROR)


async def look(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    await asyncio.sleep(arguments.get("s", 0))
    return answer()


class Far:
    """An upstream in memory whose openings go as the test says."""

    def __init__(self) -> None:
        self.memory = MemoryUpstream([definition("look")], {"look": look})
        self.opened_at: list[float] = []
        self.closed = 0
        self.takes_s = 0.0
        self.fails: BaseException | None = None
        self.openings: list[Opening] = []

    def open(self, opening: Opening) -> AbstractAsyncContextManager[Connection]:
        return self._open(opening)

    @asynccontextmanager
    async def _open(self, opening: Opening) -> AsyncGenerator[Connection]:
        self.opened_at.append(asyncio.get_running_loop().time())
        self.openings.append(opening)
        await asyncio.sleep(self.takes_s)
        if self.fails is not None:
            raise self.fails
        try:
            async with self.memory.open(opening) as connection:
                yield connection
        finally:
            self.closed += 1


@asynccontextmanager
async def running(far: Far, replicas: int = 1) -> AsyncGenerator[Upstream]:
    upstream = Upstream("far", UpstreamRules(replicas=replicas), far.open, lambda: None)
    async with asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(upstream.run())
        try:
            yield upstream
        finally:
            owner.cancel()


def now() -> float:
    return asyncio.get_running_loop().time()


def looking(s: float = 0, timeout_s: float = 30) -> Any:
    made = attempt(tool(upstream="far"), timeout_s)
    made.arguments = {**made.arguments, "s": s}
    return made


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
async def test_one_that_does_not_open_is_tried_again_and_again_with_growing_waits() -> None:
    far = Far()
    far.fails = UnavailableError("cannot start it")
    async with running(far):
        await asyncio.sleep(300)
    waits = [later - earlier for earlier, later in pairwise(far.opened_at)]
    for wait, longest in zip(waits, (0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, *[30] * len(waits)), strict=False):
        assert longest / 2 <= wait <= longest + 0.01
    assert 13 <= len(far.opened_at) <= 26


@in_virtual_time
async def test_it_comes_back_as_soon_as_it_can_be_opened_again() -> None:
    far = Far()
    far.fails = UnavailableError("cannot start it")
    async with running(far) as upstream:
        await asyncio.sleep(10)
        assert upstream.state.state == "failed"
        far.fails = None
        await asyncio.sleep(15)
        assert upstream.state.state == "ready"
        assert await upstream.call(looking()) == answer()


@in_virtual_time
async def test_after_a_crash_calls_in_flight_fail_and_the_next_call_waits_for_the_new_session() -> None:
    far = Far()
    async with running(far) as upstream:
        await upstream.settled()
        await asyncio.sleep(60)
        asyncio.get_running_loop().call_later(1, far.memory.drop, "it ended with exit code 1")
        once = looking(s=10)
        once.tool = tool(rules=ToolRules(retries=0))
        with pytest.raises(CallFailedError) as failed:
            await upstream.call(once)
        assert failed.value.failure("read").code == "UPSTREAM_ERROR"
        assert failed.value.failure("write").code == "OUTCOME_UNKNOWN"

        await turns()
        assert await upstream.call(looking()) == answer()
        assert len(far.opened_at) == 2


@in_virtual_time
async def test_after_a_crash_the_reads_that_were_in_flight_are_made_again_over_the_new_session() -> None:
    far = Far()
    async with running(far) as upstream:
        await upstream.settled()
        await asyncio.sleep(60)
        asyncio.get_running_loop().call_later(1, far.memory.drop, "it ended with exit code 1")
        reads = [looking(s=3) for _ in range(10)]
        for number, read in enumerate(reads):
            read.arguments = {"s": 3, "n": number}

        assert await all_at_once(*map(upstream.call, reads)) == [answer()] * 10

        assert {read.attempts for read in reads} == {2}
        assert len(far.opened_at) == 2


@in_virtual_time
async def test_one_that_crashes_again_and_again_fails_calls_at_once_instead_of_letting_them_wait() -> None:
    far = Far()
    async with running(far) as upstream:
        for _ in range(6):
            while upstream.state.state != "ready":  # noqa: ASYNC110 - in virtual time
                await asyncio.sleep(0.1)
            far.memory.drop("it ended with exit code 1")
            await turns()
        assert upstream.state.state == "failed"
        started = now()
        with pytest.raises(CallFailedError, match="exit code 1"):
            await upstream.call(looking())
        assert now() - started < 0.01
        waits = [later - earlier for earlier, later in pairwise(far.opened_at)]
        assert waits[-1] > 3


@in_virtual_time
async def test_one_that_held_for_long_is_tried_again_soon() -> None:
    far = Far()
    async with running(far):
        for _ in range(5):
            await asyncio.sleep(100)
            before = now()
            far.memory.drop("it ended")
            await asyncio.sleep(1)
            assert far.opened_at[-1] - before < 0.21


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
async def test_the_tools_of_one_that_is_down_stay_known() -> None:
    far = Far()
    async with running(far) as upstream:
        await upstream.settled()
        far.fails = UnavailableError("cannot start it")
        far.memory.drop("it ended")
        await asyncio.sleep(10)
        assert upstream.state.state == "failed"
        assert [one["name"] for one in upstream.listing.definitions] == ["look"]


@in_virtual_time
@pytest.mark.parametrize("how", ["scope", "task group"])
async def test_the_owner_survives_a_session_that_cancels_its_host_task(how: str) -> None:
    """The SDK's sessions end so when a connection under them breaks."""
    far = Far()
    breaking: list[asyncio.Event] = []

    @asynccontextmanager
    async def open_session(opening: Opening) -> AsyncGenerator[Connection]:
        event = asyncio.Event()
        breaking.append(event)

        async def break_when_told() -> None:
            await event.wait()
            if how == "scope":
                tasks.cancel_scope.cancel()
            else:
                raise ConnectionError("reset by the peer: token=secret")

        async with far.memory.open(opening) as connection, anyio.create_task_group() as tasks:
            tasks.start_soon(break_when_told)
            yield connection
            tasks.cancel_scope.cancel()

    upstream = Upstream("far", UpstreamRules(), open_session, lambda: None)
    async with asyncio.TaskGroup() as group:
        owner = group.create_task(upstream.run())
        await upstream.settled()
        for times in range(3):
            breaking[-1].set()
            await asyncio.sleep(60)
            assert not owner.done()
            assert len(breaking) == times + 2
            assert upstream.state.state == "ready"
            assert await upstream.call(looking()) == answer()
        owner.cancel()
    assert owner.cancelled()


@in_virtual_time
@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (asyncio.CancelledError("token=secret"), "its session was cancelled"),
        (ConnectionError("token=secret"), "its session broke (ConnectionError)"),
        (ExceptionGroup("secret", [UnavailableError("cannot start it")]), "cannot start it"),
    ],
)
async def test_whatever_an_opening_raises_the_owner_goes_on_and_shows_nothing_of_it(
    raised: BaseException, reason: str
) -> None:
    far = Far()
    far.fails = raised
    async with running(far) as upstream:
        await upstream.settled()
        assert upstream.state.reason == reason
        far.fails = None
        await asyncio.sleep(5)
        assert upstream.state.state == "ready"


@in_virtual_time
async def test_the_owner_ends_when_it_is_cancelled_at_any_point() -> None:
    for after in (0.0, 0.5, 1.0, 1.5, 3.0):
        far = Far()
        far.takes_s = 1
        async with running(far):
            await asyncio.sleep(after)
        assert far.closed == (1 if after > 1 else 0) or after == 1.0


def test_a_reason_is_the_plain_sentence_however_it_is_wrapped() -> None:
    plain = UnavailableError("cannot start it")
    for wrapped in (
        plain,
        ExceptionGroup("unhandled errors", [plain]),
        ExceptionGroup("a", [ExceptionGroup("b", [ExceptionGroup("c", [plain])])]),
        BaseExceptionGroup("a", [asyncio.CancelledError(), plain]),
    ):
        assert reason_of(wrapped) == "cannot start it"


def test_a_reason_never_shows_the_text_of_a_foreign_error() -> None:
    for foreign in (
        ValueError("token=secret"),
        ExceptionGroup("secret", [OSError("secret"), ValueError("secret")]),
        BaseExceptionGroup("secret", [asyncio.CancelledError("secret")]),
    ):
        assert "secret" not in reason_of(foreign)
    assert reason_of(OSError("secret")) == "its session broke (OSError)"


class Fleet:
    """An upstream of which each session is another process: each does one call at a time."""

    def __init__(self) -> None:
        self.processes: list[MemoryUpstream] = []
        self.calls: list[list[float]] = []
        self.broken: set[int] = set()

    @asynccontextmanager
    async def open(self, opening: Opening) -> AsyncGenerator[Connection]:
        number = len(self.processes)
        lock = asyncio.Lock()
        calls: list[float] = []

        async def one_at_a_time(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
            async with lock:
                await asyncio.sleep(arguments["s"])
                calls.append(now())
            return answer({"process": number})

        memory = MemoryUpstream([definition("look")], {"look": one_at_a_time})
        self.processes.append(memory)
        self.calls.append(calls)
        if number in self.broken:
            raise UnavailableError("cannot start it")
        async with memory.open(opening) as connection:
            yield connection


@asynccontextmanager
async def fleet(of: Fleet, replicas: int) -> AsyncGenerator[Upstream]:
    upstream = Upstream("far", UpstreamRules(replicas=replicas, concurrency=100), of.open, lambda: None)
    async with asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(upstream.run())
        await upstream.settled()
        await turns()
        try:
            yield upstream
        finally:
            upstream.close()
            owner.cancel()


@in_virtual_time
async def test_of_an_upstream_that_does_one_call_at_a_time_replicas_do_several() -> None:
    for replicas, expected_s in ((1, 12), (4, 3)):
        ships = Fleet()
        async with fleet(ships, replicas) as upstream:
            started = now()
            await all_at_once(*(upstream.call(looking(1)) for _ in range(12)))
            assert now() - started == pytest.approx(expected_s, abs=0.01)
        assert [len(calls) for calls in ships.calls] == [12 // replicas] * replicas


@in_virtual_time
async def test_a_call_goes_to_the_replica_that_has_the_fewest() -> None:
    ships = Fleet()
    async with fleet(ships, 2) as upstream:
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(all_at_once(upstream.call(looking(10))))
            await turns()
            quick = [await upstream.call(looking(0.1)) for _ in range(5)]
            assert not slow.done()
        assert [one["structuredContent"]["process"] for one in quick] == [1] * 5


@in_virtual_time
async def test_replicas_are_each_opened_again_by_themselves_while_the_others_have_the_calls() -> None:
    ships = Fleet()
    async with fleet(ships, 3) as upstream:
        ships.broken = {3, 4, 5}
        ships.processes[1].drop("it crashed")
        await turns()
        state = upstream.state
        assert (state.state, state.reason) == ("ready", "1 of 3 replicas are not available: it crashed")
        assert upstream.listing.unavailable is None
        answered = await all_at_once(*(upstream.call(looking(1)) for _ in range(4)))
        assert {one["structuredContent"]["process"] for one in answered} == {0, 2}

        await asyncio.sleep(60)
        assert upstream.state.reason is None
        answered = await all_at_once(*(upstream.call(looking(1)) for _ in range(3)))
        assert {one["structuredContent"]["process"] for one in answered} == {0, 2, 6}


@in_virtual_time
async def test_an_upstream_is_unavailable_once_all_of_its_replicas_are() -> None:
    ships = Fleet()
    ships.broken = {0, 1}
    async with fleet(ships, 2) as upstream:
        assert upstream.state.state == "failed"
        with pytest.raises(CallFailedError, match="cannot start it") as failed:
            await upstream.call(looking())
        assert not failed.value.sent
