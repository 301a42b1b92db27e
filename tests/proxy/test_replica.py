"""An upstream that does not open, ends or crashes: it is opened again in time, and its owner outlives all of it."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise

import anyio
import pytest
from tests.proxy.far import Far, looking, now, running
from tests.proxy.parts import all_at_once, answer, tool, turns
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import CallFailedError, Connection, Opening, UnavailableError
from headgate.proxy.replica import reason_of
from headgate.proxy.upstream import Upstream
from headgate.tools.rules import ToolRules, UpstreamRules


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("headgate.proxy.replica").setLevel(logging.ERROR)


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
