"""Turns: writes whose scopes meet go one at a time, in the order in which they came; others pass."""

import asyncio
from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.parts import turns as loop_turns
from tests.virtual_time import VirtualLoop, in_virtual_time

from headgate.proxy.turns import Turns
from headgate.tools.scope import Scope

ALL, ONE, TWO, THREE = Scope("a"), Scope("a", "1"), Scope("a", "2"), Scope("a", "3")


@in_virtual_time
async def test_writes_to_one_scope_go_one_by_one_in_the_order_they_came() -> None:
    turns = Turns()
    order: list[int] = []
    running = 0

    async def write(number: int) -> None:
        nonlocal running
        await turns.enter(ALL)
        running += 1
        assert running == 1
        order.append(number)
        await asyncio.sleep(1)
        running -= 1
        turns.leave(ALL)

    async with asyncio.TaskGroup() as tasks:
        for number in range(10):
            tasks.create_task(write(number))

    assert order == list(range(10))


@in_virtual_time
async def test_scopes_that_have_nothing_in_common_pass() -> None:
    turns = Turns()
    await turns.enter(ONE)
    async with asyncio.timeout(1):
        await turns.enter(TWO)
        await turns.enter(THREE)
    for scope in (ONE, TWO, THREE):
        turns.leave(scope)


@in_virtual_time
async def test_a_later_write_does_not_overtake_one_that_waits_for_the_whole_upstream() -> None:
    turns = Turns()
    await turns.enter(ONE)
    async with asyncio.TaskGroup() as tasks:
        whole = tasks.create_task(turns.enter(ALL))
        part = tasks.create_task(turns.enter(TWO))  # free by itself, but it came after
        await loop_turns()
        assert not whole.done()
        assert not part.done()
        turns.leave(ONE)
        await loop_turns()
        assert whole.done()
        assert not part.done()
        turns.leave(ALL)
    assert part.done()
    turns.leave(TWO)


@in_virtual_time
async def test_nobody_overtakes_one_that_still_waits_when_a_turn_ends() -> None:
    turns = Turns()
    await turns.enter(ONE)
    await turns.enter(TWO)
    async with asyncio.TaskGroup() as tasks:
        whole = tasks.create_task(turns.enter(ALL))
        part = tasks.create_task(turns.enter(THREE))
        await loop_turns()
        turns.leave(ONE)  # the whole still waits for the second
        await loop_turns()
        assert not whole.done()
        assert not part.done()
        turns.leave(TWO)
        await loop_turns()
        assert whole.done()
        assert not part.done()
        turns.leave(ALL)
    turns.leave(THREE)


@in_virtual_time
async def test_one_that_stops_waiting_lets_those_behind_it_pass() -> None:
    turns = Turns()
    await turns.enter(ONE)
    async with asyncio.TaskGroup() as tasks:
        whole = tasks.create_task(turns.enter(ALL))
        part = tasks.create_task(turns.enter(TWO))
        await loop_turns()
        whole.cancel()
        await loop_turns()
        assert part.done()
    turns.leave(ONE)
    turns.leave(TWO)


@in_virtual_time
async def test_one_cancelled_in_the_moment_its_turn_comes_passes_it_on() -> None:
    turns = Turns()
    await turns.enter(ALL)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(turns.enter(ALL))
        second = tasks.create_task(turns.enter(ALL))
        await loop_turns()
        turns.leave(ALL)
        first.cancel()
        await loop_turns()
        assert first.cancelled()
        assert second.done()
    turns.leave(ALL)


write_strategy = st.tuples(
    st.sampled_from([ALL, ONE, TWO, THREE]), st.integers(0, 15), st.integers(0, 5), st.none() | st.integers(0, 25)
)


@in_virtual_time
async def test_ten_thousand_writes_that_wait_for_each_other_are_no_burden() -> None:
    turns = Turns()
    order: list[int] = []

    async def write(number: int, scope: Scope) -> None:
        await turns.enter(scope)
        order.append(number)
        await asyncio.sleep(0)
        turns.leave(scope)

    for scopes in ([ALL], [ONE], [ALL, ONE, ONE, TWO]):
        order.clear()
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            for number in range(10_000):
                tasks.create_task(write(number, scopes[number % len(scopes)]))
        assert len(order) == 10_000
        assert turns.waiting == 0


@given(writes=st.lists(write_strategy, max_size=20))
def test_however_writes_come_and_go_no_two_that_meet_overlap_and_none_waits_for_ever(
    writes: list[tuple[Scope, int, int, int | None]],
) -> None:
    turns = Turns()
    under_way: list[Scope] = []
    waiting: dict[int, Scope] = {}
    numbers = count()
    ended: list[Scope] = []

    async def write(scope: Scope, comes: int, stays: int) -> None:
        await asyncio.sleep(comes)
        came = next(numbers)
        waiting[came] = scope
        try:
            await turns.enter(scope)
        finally:
            del waiting[came]
        try:
            assert not any(scope.meets(other) for other in under_way)
            assert not any(scope.meets(other) for earlier, other in waiting.items() if earlier < came)
            under_way.append(scope)
            await asyncio.sleep(stays)
        finally:
            under_way.remove(scope)
            turns.leave(scope)
        ended.append(scope)

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for scope, comes, stays, cancelled in writes:
                task = tasks.create_task(write(scope, comes, stays))
                if cancelled is not None:
                    asyncio.get_running_loop().call_later(cancelled, task.cancel)
        for scope in (ALL, ONE, ALL):
            async with asyncio.timeout(1):
                await turns.enter(scope)  # nobody's turn is left over
            turns.leave(scope)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
    assert len(ended) >= sum(cancelled is None for *_, cancelled in writes)
