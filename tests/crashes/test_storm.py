"""Writes under few keys through timeouts, resets and callers that go: none is made twice, whatever the seed."""

import pytest
from tests.crashes.storm import rage


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_no_write_is_made_twice(first: int) -> None:
    faults = {seed: wrong for seed in range(first, first + 100) if (wrong := rage(seed)[1])}

    assert not faults


def test_the_same_seed_is_the_same_storm() -> None:
    one, other = rage(7)[0], rage(7)[0]

    assert (one.effects, one.injected, one.told) == (other.effects, other.injected, other.told)
