"""Whatever is asked together, reads that share calls see what they would have seen by themselves."""

import asyncio
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.counter import Tally, add, batch, count_in, get, merged, outcomes
from tests.virtual_time import VirtualLoop

from headgate.proxy.driver import Driver
from headgate.tools.outcome import Outcome

Asked = tuple[str, str, int]
"""A tool, its `k`, and a number that makes reads of one `k` different from each other."""

_ASKED = st.tuples(st.sampled_from(["get", "get", "get", "add"]), st.sampled_from("ab"), st.integers(0, 1))
_WAITS_S = (0.0, 0.1, 0.5, 2.0)


@given(st.lists(_ASKED, min_size=1, max_size=14), st.integers(0, 2**32))
def test_in_one_batch_every_read_sees_the_writes_listed_before_it_and_no_others(asked: list[Asked], seed: int) -> None:
    (driver,), tally = _played([(0, asked)], seed)

    for position, (outcome, (kind, k, _)) in enumerate(zip(outcomes(driver), asked, strict=True)):
        if kind == "get":
            assert count_in(outcome) == sum(it[:2] == ("add", k) for it in asked[:position])
    assert tally.made["get"] + merged(driver) == sum(kind == "get" for kind, *_ in asked)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.lists(_ASKED, min_size=1, max_size=8)), min_size=2, max_size=5),
    st.integers(0, 2**32),
)
def test_across_batches_a_read_sees_what_was_written_before_it_and_time_never_runs_backwards(
    batches: list[tuple[int, list[Asked]]], seed: int
) -> None:
    drivers, _ = _played(batches, seed)

    ended = [
        (call, outcome)
        for driver, (_, asked) in zip(drivers, batches, strict=True)
        for call, outcome in zip(asked, outcomes(driver), strict=True)
    ]
    for k in "ab":
        writes = [outcome for call, outcome in ended if call[:2] == ("add", k)]
        reads = [outcome for call, outcome in ended if call[:2] == ("get", k)]
        for read in reads:
            assert count_in(read) >= sum(write.ended_at < _start(read) for write in writes)
            assert count_in(read) <= sum(_start(write) < read.ended_at for write in writes)
        for earlier, later in product(reads, reads):
            if earlier.ended_at < _start(later):
                assert count_in(earlier) <= count_in(later)


def _played(batches: list[tuple[int, list[Asked]]], seed: int) -> tuple[list[Driver], Tally]:
    """Run each batch from its start, in tenths of a second, on; calls take as long as `seed` says."""
    tally = Tally(_WAITS_S, seed)

    async def main() -> list[Driver]:
        async with tally.up() as upstreams, asyncio.TaskGroup() as tasks:
            drivers = [
                batch(upstreams, *[get(k, n=n) if kind == "get" else add(k) for kind, k, n in asked])
                for _, asked in batches
            ]
            for driver, (start, _) in zip(drivers, batches, strict=True):
                asyncio.get_running_loop().call_later(start / 10, driver.start, tasks)
            for driver in drivers:
                await driver.wait()
        return drivers

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main()), tally


def _start(outcome: Outcome) -> float:
    assert outcome.started_at is not None
    return outcome.started_at
