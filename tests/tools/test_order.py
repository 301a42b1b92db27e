"""Orders and cycles of calls that wait for each other."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.tools.order import cycle_in, serial_order

EDGES = st.integers(1, 12).flatmap(
    lambda count: st.lists(st.lists(st.integers(0, count - 1), max_size=3), min_size=count, max_size=count)
)
ORDERS: list[tuple[list[list[int]], tuple[int, ...]]] = [
    ([[], [], []], (0, 1, 2)),
    ([[], [0], [1]], (0, 1, 2)),
    ([[1], []], (1, 0)),
    ([[2], [], []], (1, 2, 0)),
    ([[2], [], [], []], (1, 2, 0, 3)),
    ([[1, 3], [], [], []], (1, 2, 3, 0)),
    ([[3], [0], [], []], (2, 3, 0, 1)),
    ([[3], [3], [3, 0], []], (3, 0, 1, 2)),
    ([[1, 1], []], (1, 0)),
]


@pytest.mark.parametrize(("waits", "order"), ORDERS)
def test_a_call_that_waits_for_a_later_one_stands_right_behind_it(
    waits: list[list[int]], order: tuple[int, ...]
) -> None:
    assert serial_order(waits) == order


@given(EDGES)
def test_every_call_stands_once_and_behind_what_it_waits_for_unless_there_is_a_cycle(waits: list[list[int]]) -> None:
    cycle = cycle_in(waits)
    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(later in waits[earlier] for earlier, later in pairwise(cycle))
        assert len(set(cycle)) == len(cycle) - 1
        return
    order = serial_order(waits)

    assert sorted(order) == list(range(len(waits)))
    assert all(order.index(earlier) < order.index(later) for later, some in enumerate(waits) for earlier in some)


@given(EDGES)
def test_calls_that_wait_for_nothing_later_keep_their_listed_order(waits: list[list[int]]) -> None:
    backwards = [[earlier for earlier in some if earlier < index] for index, some in enumerate(waits)]

    assert serial_order(backwards) == tuple(range(len(waits)))


def test_a_long_row_of_calls_neither_recurses_nor_takes_long() -> None:
    count = 20_000
    waits = [[index + 1] for index in range(count - 1)] + [[]]

    assert cycle_in(waits) == ()
    assert serial_order(waits) == tuple(reversed(range(count)))
    assert len(cycle_in([*waits[:-1], [0]])) == count + 1
