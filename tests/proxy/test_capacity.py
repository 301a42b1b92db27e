"""Permits: taken together or not at all, first come first served, and never lost."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.parts import turns
from tests.virtual_time import VirtualLoop, in_virtual_time

from headgate.proxy.capacity import Capacity, TooLateError, enter, leave


@in_virtual_time
async def test_a_cap_shows_its_state_at_a_glance() -> None:
    cap = Capacity(3)
    await enter((cap,))
    await enter((cap,))
    assert repr(cap) == "<Capacity 2/3 in use, 0 waiting>"

    await enter((cap,))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(enter((cap,)))
        gone = tasks.create_task(enter((cap,)))
        await turns()
        assert repr(cap) == "<Capacity 3/3 in use, 2 waiting>"
        gone.cancel()
        await turns()
        assert repr(cap) == "<Capacity 3/3 in use, 1 waiting>"
        leave((cap,))

    assert repr(cap) == "<Capacity 3/3 in use, 0 waiting>"


@in_virtual_time
async def test_who_came_first_goes_first() -> None:
    cap = Capacity(1)
    order: list[int] = []

    async def job(number: int) -> None:
        await enter((cap,))
        order.append(number)
        await asyncio.sleep(1)
        leave((cap,))

    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(job(number))

    assert order == list(range(20))
    assert cap.free == 1


@in_virtual_time
async def test_a_call_that_waits_for_one_cap_holds_nothing_of_another() -> None:
    full, shared = Capacity(1), Capacity(1)
    await enter((full,))
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(enter((shared, full)))
        await turns()

        assert shared.free == 1
        await enter((shared,))  # a call that does not need the full cap passes at once
        leave((shared,))
        assert not waiting.done()
        leave((full,))

    assert (shared.free, full.free) == (0, 0)


@in_virtual_time
async def test_a_call_that_waits_for_two_full_caps_starts_when_the_second_is_free() -> None:
    one, two = Capacity(1), Capacity(1)
    await enter((one, two))
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(enter((one, two)))
        await turns()
        leave((one,))
        await turns()
        assert not waiting.done()
        assert one.free == 1
        leave((two,))

    assert (one.free, two.free) == (0, 0)


@in_virtual_time
async def test_a_waiting_call_that_is_cancelled_takes_no_permit() -> None:
    cap = Capacity(1)
    await enter((cap,))
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(enter((cap,)))
        await turns()
        waiting.cancel()
    leave((cap,))

    assert repr(cap) == "<Capacity 0/1 in use, 0 waiting>"


@in_virtual_time
async def test_a_call_cancelled_in_the_moment_it_is_let_in_gives_its_permit_to_the_next() -> None:
    cap = Capacity(1)
    await enter((cap,))
    async with asyncio.TaskGroup() as tasks:
        let_in = tasks.create_task(enter((cap,)))
        following = tasks.create_task(enter((cap,)))
        await turns()
        leave((cap,))
        let_in.cancel()  # its permit is granted, and it has not run since
        await turns()
        assert let_in.cancelled()
        assert following.done()

    leave((cap,))
    assert cap.free == 1


@in_virtual_time
async def test_a_steady_stream_for_one_cap_does_not_starve_who_needs_two() -> None:
    busy, rare = Capacity(2), Capacity(1)
    entered: list[float] = []
    loop = asyncio.get_running_loop()

    async def stream(start: float) -> None:
        await asyncio.sleep(start)
        for _ in range(50):
            await enter((busy,))
            await asyncio.sleep(1)
            leave((busy,))

    async def both() -> None:
        await asyncio.sleep(1.7)
        await enter((busy, rare))
        entered.append(loop.time())
        leave((busy, rare))

    async with asyncio.TaskGroup() as tasks:
        for start in (0.0, 0.1, 0.2, 0.3):
            tasks.create_task(stream(start))
        tasks.create_task(both())

    assert entered[0] < 6


async def served(cap: Capacity, askers: str, beside: Capacity | None = None) -> str:
    """In which order calls are served that come one after another while `cap` is full; one letter each for who asks."""
    order: list[str] = []
    needs = (cap,) if beside is None else (beside, cap)

    async def one(asker: str) -> None:
        await enter(needs, asker)
        order.append(asker)
        leave(needs)

    await enter((cap,))
    async with asyncio.TaskGroup() as tasks:
        for asker in askers:
            tasks.create_task(one(asker))
        await turns()
        leave((cap,))
    return "".join(order)


@in_virtual_time
async def test_askers_take_turns_however_much_each_of_them_wants() -> None:
    assert await served(Capacity(1), "aaaaaab") == "abaaaaa"
    assert await served(Capacity(1), "aaaabbbcc") == "abcabcaba"
    assert await served(Capacity(1), "aaaabbbcc", beside=Capacity(5)) == "abcabcaba"


@in_virtual_time
async def test_lines_of_one_asker_share_its_turns() -> None:
    cap, tool = Capacity(1), Capacity(1)
    order: list[str] = []

    async def one(asker: str, *needs: Capacity) -> None:
        await enter(needs, asker)
        order.append(asker)
        leave(needs)

    await enter((cap,))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(one("a", cap))
            tasks.create_task(one("a", tool, cap))
            tasks.create_task(one("b", cap))
        await turns()
        leave((cap,))

    assert "".join(order) == "ababaa"


@in_virtual_time
async def test_ten_thousand_that_wait_and_are_called_off_leave_nothing_behind() -> None:
    batch, cap = Capacity(8), Capacity(16)
    await asyncio.gather(*(enter((cap,)) for _ in range(16)))
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(enter((batch, cap), "a")) for _ in range(10_000)]
        await turns()
        assert cap.waiting == 10_000
        for task in waiting:
            task.cancel()

    assert cap.waiting == 0
    assert not cap.askers
    for _ in range(16):
        leave((cap,))
    assert cap.free == 16


@in_virtual_time
async def test_during_a_pause_nobody_is_let_in_and_after_it_as_many_as_there_is_room_for() -> None:
    cap, loop = Capacity(2), asyncio.get_running_loop()
    entered: list[float] = []
    await enter((cap,))

    async def one() -> None:
        await enter((cap,), "a")
        entered.append(round(loop.time(), 2))
        await asyncio.sleep(1)
        leave((cap,))

    cap.pause(loop.time() + 10)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(one())
        await turns()
        assert repr(cap) == "<Capacity 1/2 in use, 3 waiting>"
        leave((cap,))

    assert entered == [10, 10, 11]
    assert (cap.free, cap.paused_until) == (2, None)


@in_virtual_time
async def test_of_two_pauses_the_later_end_counts() -> None:
    cap, loop = Capacity(1), asyncio.get_running_loop()
    cap.pause(5)
    cap.pause(8)
    cap.pause(3)
    await enter((cap,))
    assert loop.time() == pytest.approx(8, abs=0.01)


@in_virtual_time
async def test_whoever_would_be_too_late_after_a_pause_is_told_at_once_wherever_they_wait() -> None:
    batch, cap, loop = Capacity(1), Capacity(1), asyncio.get_running_loop()
    told: dict[str, float] = {}

    async def one(name: str, needs: tuple[Capacity, ...], latest: float) -> None:
        try:
            await enter(needs, "a", latest)
        except TooLateError as late:
            told[name] = round(late.wait_s + loop.time(), 2)
        else:
            leave(needs)

    await enter((batch, cap))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(one("in line there", (cap,), 4))
        tasks.create_task(one("in line elsewhere", (batch, cap), 4))
        tasks.create_task(one("patient", (cap,), 11))
        await turns()
        cap.pause(10)
        await turns()
        tasks.create_task(one("new", (cap,), 4))
        await turns()
        assert told == {"in line there": 10, "new": 10}
        leave((batch, cap))
        await turns()
        assert told["in line elsewhere"] == 10
        assert loop.time() < 1

    assert loop.time() == pytest.approx(10, abs=0.01)
    assert (batch.free, cap.free, cap.waiting) == (1, 1, 0)


LIMITS = (1, 2, 3)
ASKERS = ["a", "b", None]
job_strategy = st.tuples(
    st.sets(st.integers(0, len(LIMITS) - 1), min_size=1),  # which caps
    st.integers(0, 20),  # when it comes
    st.integers(0, 10),  # how long it stays
    st.none() | st.integers(0, 30),  # when it is cancelled
    st.sampled_from(ASKERS),  # who asks
)


@given(
    jobs=st.lists(job_strategy, max_size=25),
    pauses=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20), st.integers(1, 20)), max_size=3),
)
def test_whatever_comes_stays_and_is_cancelled_no_permit_is_lost_or_given_twice(
    jobs: list[tuple[set[int], int, int, int | None, str | None]], pauses: list[tuple[int, int, int]]
) -> None:
    caps = [Capacity(limit) for limit in LIMITS]
    in_use = [0] * len(caps)
    ended: list[str] = []

    async def job(needs: list[int], comes: int, stays: int, asker: str | None) -> None:
        await asyncio.sleep(comes)
        held = tuple(caps[need] for need in needs)
        try:
            await enter(held, asker, comes + 25)
        except TooLateError:
            ended.append("late")
            return
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
            for cap, at, lasts in pauses:
                loop.call_later(at, lambda cap=cap, lasts=lasts: caps[cap].pause(loop.time() + lasts))
            for needs, comes, stays, cancelled, asker in jobs:
                task = tasks.create_task(job(sorted(needs), comes, stays, asker))
                if cancelled is not None:
                    loop.call_later(cancelled, task.cancel)
        await asyncio.sleep(100)
        assert all(cap.free == cap.limit for cap in caps), caps
        assert not any(cap.askers or cap.waiting for cap in caps)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())  # a lost permit would be a DeadlockError
    assert len(ended) >= sum(cancelled is None for *_, cancelled, _ in jobs)
