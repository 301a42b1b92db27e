"""Who says much that nobody asked for waits in turn with all who do; who says little never waits. In virtual time."""

import asyncio
from itertools import pairwise

from tests.virtual_time import in_virtual_time

from headgate.proxy.backpressure import FREE_S, HEAVY, LONG_PAUSE_S, PART, PAUSE_S, Allowance, weight_of

A_LITTLE_S = 1e-4


def near(seconds: float, expected: float) -> bool:
    return abs(seconds - expected) < A_LITTLE_S


@in_virtual_time
async def test_who_says_little_is_never_made_to_wait() -> None:
    allowance = Allowance()
    for _ in range(1_000):
        assert allowance.pause_s(PART / 10, awaited=False) == 0.0
        await asyncio.sleep(FREE_S / 10)


@in_virtual_time
async def test_what_was_too_much_at_once_is_paid_for_by_its_weight() -> None:
    allowance = Allowance()
    assert near(allowance.pause_s(10 * PART + 1, awaited=True), 10 * PAUSE_S)
    assert allowance.pause_s(0, awaited=True) == 0.0
    await asyncio.sleep(FREE_S)
    assert near(allowance.pause_s(10 * PART + 1, awaited=False), 10 * LONG_PAUSE_S)


@in_virtual_time
async def test_of_whom_nobody_wants_to_know_anything_waits_longer() -> None:
    assert near(Allowance().pause_s(PART, awaited=False), LONG_PAUSE_S)
    assert near(Allowance().pause_s(PART, awaited=True), 2 * PAUSE_S)


@in_virtual_time
async def test_however_many_flood_us_they_have_one_turn_in_each_pause() -> None:
    turns: list[tuple[float, int]] = []

    async def flood(number: int) -> None:
        allowance = Allowance()
        for _ in range(10):
            await asyncio.sleep(allowance.pause_s(PART + PART / 2, awaited=True))
            turns.append((asyncio.get_running_loop().time(), number))

    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(flood(number))
    times = [at for at, _ in turns]
    assert all(after - before > PAUSE_S - A_LITTLE_S for before, after in pairwise(times))
    assert [number for _, number in turns] == [0, 1, 2, 3, 4] * 10


@in_virtual_time
async def test_who_has_said_nothing_for_a_while_may_say_as_much_again() -> None:
    allowance = Allowance()
    assert allowance.pause_s(PART - 1, awaited=True) == 0.0
    await asyncio.sleep(FREE_S)
    assert allowance.pause_s(PART - 1, awaited=True) == 0.0
    assert allowance.pause_s(2, awaited=True) > 0.0


def test_a_long_line_weighs_more_than_a_short_one() -> None:
    assert [weight_of(b"x" * size) for size in (0, 100, HEAVY, 10 * HEAVY)] == [1, 1, 2, 11]


def test_a_message_weighs_more_than_what_is_none() -> None:
    assert weight_of(b"{}") > weight_of(b"xx")
