"""A pace knows beforehand when it will have a token. In virtual time."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.virtual_time import VirtualLoop, in_virtual_time

from headgate.proxy.capacity import TooLateError, enter
from headgate.proxy.pace import Pace, keep_pace
from headgate.tools.rules import Rate


async def go(pace: Pace, asker: str, went: list[float]) -> None:
    pace.line_up(asker)
    try:
        await enter((pace.lane,), asker)
        await keep_pace((pace,), asker)
        went.append(asyncio.get_running_loop().time())
    finally:
        pace.step_out(asker)


@given(
    rate=st.builds(Rate, st.integers(1, 20), st.just(1.0), st.integers(1, 5)),
    came=st.lists(st.floats(0, 0.5), min_size=1, max_size=15),
)
def test_the_wait_that_is_told_to_one_asker_is_the_wait_that_it_has(rate: Rate, came: list[float]) -> None:
    async def main() -> None:
        (pace,) = Pace.of(rate)
        loop = asyncio.get_running_loop()
        told: list[float] = []
        went: list[float] = []
        async with asyncio.TaskGroup() as tasks:
            for passes in came:
                await asyncio.sleep(passes)
                told.append(loop.time() + pace.wait_s(loop.time(), "a"))
                tasks.create_task(go(pace, "a", went))
                await asyncio.sleep(0)
        assert went == pytest.approx(told, abs=0.001)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


@in_virtual_time
async def test_somebody_new_is_told_of_one_call_of_each_of_the_others() -> None:
    (pace,) = Pace.of(Rate(1, 1.0, 1))
    went: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(go(pace, asker, went)) for asker in "aaaaaaabb"]
        await asyncio.sleep(0.5)

        now = asyncio.get_running_loop().time()
        assert pace.wait_s(now, "c") == pytest.approx(2.5, abs=0.01)
        assert pace.wait_s(now, "a") == pytest.approx(8.5, abs=0.01)
        assert pace.wait_s(now, "b") == pytest.approx(5.5, abs=0.01)
        for task in running:
            task.cancel()

    await asyncio.sleep(5)
    assert pace.wait_s(asyncio.get_running_loop().time(), "c") == 0


@in_virtual_time
async def test_whoever_would_be_too_late_leaves_its_lanes_and_tokens_to_others() -> None:
    slow, quick = (*Pace.of(Rate(1, 10.0, 1)), *Pace.of(Rate(10, 1.0, 1)))
    await slow.take()

    await enter((quick.lane,))
    with pytest.raises(TooLateError) as late:
        await keep_pace((quick, slow), "a", latest=3)

    assert late.value.wait_s == pytest.approx(10, abs=0.01)
    assert (slow.lane.free, quick.lane.free) == (1, 1)
    assert quick.wait_s(asyncio.get_running_loop().time()) == 0
