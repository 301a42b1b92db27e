"""Retries live on a budget, and wait by chance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.tools.retries import FIRST_S, FLOOR, FLOOR_AGAIN_S, LONGEST_S, MOST, RetryBudget, backoff_s


@pytest.mark.parametrize(("attempts", "most"), [(1, 0.2), (2, 0.4), (3, 0.8), (5, 3.2), (6, 5.0), (11, 5.0)])
def test_the_longest_wait_doubles_up_to_a_bound_and_all_of_it_is_chance(attempts: int, most: float) -> None:
    assert backoff_s(attempts, 1.0) == pytest.approx(most)
    assert backoff_s(attempts, 0.5) == pytest.approx(most / 2)
    assert backoff_s(attempts, 0.0) == 0
    assert FIRST_S <= most <= LONGEST_S


def spent(budget: RetryBudget, now: float = 0.0) -> int:
    count = 0
    while budget.withdraw(now):
        count += 1
    return count


def test_an_upstream_that_nobody_has_called_yet_bears_a_few_retries() -> None:
    assert spent(RetryBudget()) == FLOOR


def test_ten_calls_earn_a_retry_and_very_many_no_more_than_is_kept() -> None:
    budget = RetryBudget()
    spent(budget)
    for _ in range(101):
        budget.deposit()
    assert spent(budget) == 10

    for _ in range(100_000):
        budget.deposit()
    assert spent(budget) == MOST


def test_what_is_spent_comes_back_in_a_minute_and_nothing_beyond_it() -> None:
    budget = RetryBudget()
    spent(budget)
    assert not budget.withdraw(FLOOR_AGAIN_S / FLOOR - 0.1)
    assert budget.withdraw(FLOOR_AGAIN_S / FLOOR + 0.1)
    assert spent(budget, 10_000) == FLOOR


steps = st.lists(st.tuples(st.booleans(), st.floats(0, 20)), max_size=300)


@given(steps)
def test_whatever_comes_the_retries_stay_within_a_tenth_and_a_few_a_minute(steps: list[tuple[bool, float]]) -> None:
    budget, now, calls, retries = RetryBudget(), 0.0, 0, 0
    for is_call, passes in steps:
        now += passes
        if is_call:
            calls += 1
            budget.deposit()
        else:
            retries += budget.withdraw(now)
        assert calls + retries <= 1.1 * calls + FLOOR * (1 + now / FLOOR_AGAIN_S) + 1e-6
