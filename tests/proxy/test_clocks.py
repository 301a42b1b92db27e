"""One alarm for many clocks: each call still ends when its own time is over, and never when it has ended."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.virtual_time import VirtualLoop, in_virtual_time

from headgate.proxy.clocks import Clocks, Row


class Call:
    def __init__(self) -> None:
        self.ended_at: float | None = None

    def expire(self) -> None:
        self.ended_at = asyncio.get_running_loop().time()


@in_virtual_time
async def test_each_ends_in_its_own_time() -> None:
    clocks, loop = Clocks(), asyncio.get_running_loop()
    first, second, short = Call(), Call(), Call()
    clocks.start(first, loop.time(), 30)
    await asyncio.sleep(1)
    clocks.start(second, loop.time(), 30)
    clocks.start(short, loop.time(), 2)

    await asyncio.sleep(60)

    assert [short.ended_at, first.ended_at, second.ended_at] == pytest.approx([3, 30, 31], abs=0.001)


@in_virtual_time
async def test_one_that_has_been_stopped_does_not_end_and_those_behind_it_do() -> None:
    clocks, loop = Clocks(), asyncio.get_running_loop()
    answered, hanging = Call(), Call()
    clocks.start(answered, loop.time(), 5).stop(answered)
    await asyncio.sleep(4)
    clocks.start(hanging, loop.time(), 5)

    await asyncio.sleep(60)

    assert answered.ended_at is None
    assert hanging.ended_at == pytest.approx(9, abs=0.001)


@in_virtual_time
async def test_nothing_is_kept_once_all_have_ended() -> None:
    clocks, loop = Clocks(), asyncio.get_running_loop()
    for number in range(1, 100):
        call = Call()
        clocks.start(call, loop.time(), number / 10).stop(call)

    await asyncio.sleep(60)

    assert clocks.rows == 0


@in_virtual_time
async def test_one_alarm_is_enough_where_each_call_that_ends_is_followed_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clocks, loop = Clocks(), asyncio.get_running_loop()
    ended: list[float] = []
    rings: list[float] = []
    ring = vars(Row)["_ring"]

    def counted(row: Row) -> None:
        rings.append(loop.time())
        ring(row)

    class Endless(Call):
        def expire(self) -> None:
            ended.append(loop.time())
            clocks.start(Endless(), loop.time(), 10)

    monkeypatch.setattr(Row, "_ring", counted)
    for _ in range(3):
        clocks.start(Endless(), loop.time(), 10)
        await asyncio.sleep(1)
    await asyncio.sleep(300)

    assert 80 <= len(rings) <= len(ended)


@given(
    st.lists(
        st.tuples(st.sampled_from([1.0, 2.0, 5.0]), st.floats(0, 3), st.none() | st.sampled_from([0.0, 0.5, 1.5, 3.5])),
        max_size=20,
    )
)
def test_whatever_is_started_and_stopped_when(plan: list[tuple[float, float, float | None]]) -> None:
    async def run() -> None:
        clocks, loop = Clocks(), asyncio.get_running_loop()
        started: list[tuple[Call, float, float | None]] = []
        for timeout_s, pause_s, stop_s in plan:
            await asyncio.sleep(pause_s)
            call, now = Call(), loop.time()
            row = clocks.start(call, now, timeout_s)
            if stop_s is not None:
                loop.call_later(stop_s, row.stop, call)
            started.append((call, now + timeout_s, None if stop_s is None or stop_s >= timeout_s else now + stop_s))
        await asyncio.sleep(60)
        for call, ends_at, stopped_at in started:
            assert call.ended_at == (None if stopped_at is not None else pytest.approx(ends_at, abs=0.001))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(run())
