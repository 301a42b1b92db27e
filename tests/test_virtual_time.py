"""The virtual clock itself: it jumps, it never stands still, and it says so when nothing can go on."""

import asyncio
import itertools
import time

import anyio
import pytest
from aiolimiter import AsyncLimiter
from tests.virtual_time import DeadlockError, StepLimitError, VirtualLoop, in_virtual_time


@in_virtual_time
async def test_an_hour_of_sleep_takes_less_than_a_second() -> None:
    started = time.perf_counter()

    await asyncio.sleep(3_600)

    assert asyncio.get_running_loop().time() >= 3_600
    assert time.perf_counter() - started < 1


@in_virtual_time
async def test_a_deadline_fires_at_its_own_virtual_time() -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()

    with pytest.raises(TimeoutError), anyio.fail_after(900):
        await asyncio.sleep(3_600)

    assert loop.time() - started == pytest.approx(900, abs=0.01)


@in_virtual_time
async def test_a_rate_limiter_of_two_a_minute_spaces_six_tasks_over_two_minutes() -> None:
    limiter = AsyncLimiter(2, 60)
    loop = asyncio.get_running_loop()
    started = loop.time()
    stamps: list[float] = []

    async def task() -> None:
        async with limiter:
            stamps.append(loop.time() - started)

    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(task())

    assert stamps == pytest.approx([0, 0, 30, 60, 90, 120], abs=0.01)


@in_virtual_time
async def test_timers_fire_in_the_order_of_their_times() -> None:
    fired: list[int] = []
    loop = asyncio.get_running_loop()
    for delay in (30, 10, 20):
        loop.call_later(delay, fired.append, delay)

    await asyncio.sleep(31)

    assert fired == [10, 20, 30]


def test_a_deadlock_is_raised_instead_of_waited_for() -> None:
    async def wait_for_nobody() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(wait_for_nobody())


def test_a_task_that_spins_meets_the_step_limit() -> None:
    async def spin() -> None:
        while True:  # noqa: ASYNC110 - spinning is the point
            await asyncio.sleep(0)

    with (
        pytest.raises(StepLimitError, match="1000 turns"),
        asyncio.Runner(loop_factory=lambda: VirtualLoop(step_limit=1_000)) as runner,
    ):
        runner.run(spin())


def test_the_clock_moves_with_every_turn_of_the_loop() -> None:
    async def stamps() -> list[float]:
        loop = asyncio.get_running_loop()
        seen: list[float] = []
        for _ in range(100):
            seen.append(loop.time())
            await asyncio.sleep(0)
        return seen

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        seen = runner.run(stamps())

    assert all(later - earlier >= 0.9e-6 for earlier, later in itertools.pairwise(seen))
