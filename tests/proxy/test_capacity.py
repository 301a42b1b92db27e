"""Permits: taken together or not at all, first come first served, and never lost."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.parts import turns
from tests.virtual_time import VirtualLoop, in_virtual_time

from headgate.proxy.capacity import Capacity, enter, leave


@in_virtual_time
async def test_a_cap_shows_its_state_at_a_glance() -> None:
    cap = Capacity(3)
    await enter([cap])
    await enter([cap])
    assert repr(cap) == "<Capacity 2/3 in use, 0 waiting>"

    await enter([cap])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(enter([cap]))
        gone = tasks.create_task(enter([cap]))
        await turns()
        assert repr(cap) == "<Capacity 3/3 in use, 2 waiting>"
        gone.cancel()
        await turns()
        assert repr(cap) == "<Capacity 3/3 in use, 1 waiting>"
        leave([cap])

    assert repr(cap) == "<Capacity 3/3 in use, 0 waiting>"


@in_virtual_time
async def test_who_came_first_goes_first() -> None:
    cap = Capacity(1)
    order: list[int] = []

    async def job(number: int) -> None:
        await enter([cap])
        order.append(number)
        await asyncio.sleep(1)
        leave([cap])

    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(job(number))

    assert order == list(range(20))
    assert cap.free == 1


@in_virtual_time
async def test_a_call_that_waits_for_one_cap_holds_nothing_of_another() -> None:
    full, shared = Capacity(1), Capacity(1)
    await enter([full])
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(enter([shared, full]))
        await turns()

        assert shared.free == 1
        await enter([shared])  # a call that does not need the full cap passes at once
        leave([shared])
        assert not waiting.done()
        leave([full])

    assert (shared.free, full.free) == (0, 0)


@in_virtual_time
async def test_a_call_that_waits_for_two_full_caps_starts_when_the_second_is_free() -> None:
    one, two = Capacity(1), Capacity(1)
    await enter([one, two])
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(enter([one, two]))
        await turns()
        leave([one])
        await turns()
        assert not waiting.done()
        assert one.free == 1
        leave([two])

    assert (one.free, two.free) == (0, 0)


@in_virtual_time
async def test_a_waiting_call_that_is_cancelled_takes_no_permit() -> None:
    cap = Capacity(1)
    await enter([cap])
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(enter([cap]))
        await turns()
        waiting.cancel()
    leave([cap])

    assert repr(cap) == "<Capacity 0/1 in use, 0 waiting>"


@in_virtual_time
async def test_a_call_cancelled_in_the_moment_it_is_let_in_gives_its_permit_to_the_next() -> None:
    cap = Capacity(1)
    await enter([cap])
    async with asyncio.TaskGroup() as tasks:
        let_in = tasks.create_task(enter([cap]))
        following = tasks.create_task(enter([cap]))
        await turns()
        leave([cap])
        let_in.cancel()  # its permit is granted, and it has not run since
        await turns()
        assert let_in.cancelled()
        assert following.done()

    leave([cap])
    assert cap.free == 1


@in_virtual_time
async def test_a_steady_stream_for_one_cap_does_not_starve_who_needs_two() -> None:
    busy, rare = Capacity(2), Capacity(1)
    entered: list[float] = []
    loop = asyncio.get_running_loop()

    async def stream(start: float) -> None:
        await asyncio.sleep(start)
        for _ in range(50):
            await enter([busy])
            await asyncio.sleep(1)
            leave([busy])

    async def both() -> None:
        await asyncio.sleep(1.7)
        await enter([busy, rare])
        entered.append(loop.time())
        leave([busy, rare])

    async with asyncio.TaskGroup() as tasks:
        for start in (0.0, 0.1, 0.2, 0.3):
            tasks.create_task(stream(start))
        tasks.create_task(both())

    assert entered[0] < 6


LIMITS = (1, 2, 3)
job_strategy = st.tuples(
    st.sets(st.integers(0, len(LIMITS) - 1), min_size=1),  # which caps
    st.integers(0, 20),  # when it comes
    st.integers(0, 10),  # how long it stays
    st.none() | st.integers(0, 30),  # when it is cancelled
)


@given(jobs=st.lists(job_strategy, max_size=25))
def test_whatever_comes_stays_and_is_cancelled_no_permit_is_lost_or_given_twice(
    jobs: list[tuple[set[int], int, int, int | None]],
) -> None:
    caps = [Capacity(limit) for limit in LIMITS]
    in_use = [0] * len(caps)
    ended: list[str] = []

    async def job(needs: list[int], comes: int, stays: int) -> None:
        await asyncio.sleep(comes)
        held = [caps[need] for need in needs]
        await enter(held)
        try:
            for need in needs:
                in_use[need] += 1
                assert in_use[need] <= LIMITS[need]
            await asyncio.sleep(stays)
        finally:
            for need in needs:
                in_use[need] -= 1
            leave(held)
        ended.append("ok")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            for needs, comes, stays, cancelled in jobs:
                task = tasks.create_task(job(sorted(needs), comes, stays))
                if cancelled is not None:
                    loop.call_later(cancelled, task.cancel)
        assert all(cap.free == cap.limit for cap in caps), caps
        assert not any(not waiter.granted.done() for cap in caps for waiter in cap.waiting)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())  # a lost permit would be a DeadlockError
    assert len(ended) >= sum(cancelled is None for *_, cancelled in jobs)
