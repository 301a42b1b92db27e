"""The breaker: what opens it, who may try, and what closes it."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.tools.breaker import FIRST_S, IN_A_ROW, LEAST, LONGEST_S, SHARE, WINDOW_S, Breaker

CALL, OTHER = object(), object()


def tell(breaker: Breaker, ends: Iterable[tuple[float, bool]]) -> bool:
    """Tell of calls that end one after another, at a time and well or not; whether any of them opened it."""
    opened = False
    for now, well in ends:
        if well:
            breaker.answered(CALL, now)
        else:
            opened |= breaker.failed(CALL, now - 0.001, now, 1.0)
    return opened


def opened_at(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    assert tell(breaker, [(now - IN_A_ROW + 1 + number, False) for number in range(IN_A_ROW)])
    return breaker


def test_five_failures_in_a_row_open_it_and_four_do_not() -> None:
    breaker = Breaker()
    tell(breaker, [(float(now), False) for now in range(4)] + [(4.0, True)])
    assert breaker.closed

    assert not tell(breaker, [(float(now), False) for now in range(5, 9)])
    assert tell(breaker, [(9.0, False)])
    assert breaker.state(9.0) == "open"


def test_half_of_twenty_failing_opens_it_and_half_of_nineteen_does_not() -> None:
    breaker = Breaker()
    assert not tell(breaker, [(now / 10, now % 2 == 0) for now in range(19)])
    assert tell(breaker, [(2.0, False)])


def test_what_failed_half_a_minute_ago_is_forgotten() -> None:
    breaker = Breaker()
    tell(breaker, [(now / 10, now % 2 == 1) for now in range(19)])

    assert not tell(breaker, [(33.0, True), (33.1, False)])
    assert breaker.closed


def test_calls_that_were_in_flight_together_fail_as_one() -> None:
    breaker = Breaker()
    for _ in range(100):
        assert not breaker.failed(object(), began_at=1.0, now=2.0, chance=1.0)
    assert breaker.closed


def test_open_it_lets_nobody_go_until_its_time_is_over_and_then_one() -> None:
    breaker = opened_at(0.0)
    assert breaker.wait_s(0.1) == pytest.approx(FIRST_S - 0.1)
    assert not breaker.probe(CALL, FIRST_S - 0.01)

    assert breaker.state(FIRST_S) == "half-open"
    assert breaker.wait_s(FIRST_S) == 0
    assert breaker.probe(CALL, FIRST_S)
    assert not breaker.probe(OTHER, FIRST_S)
    assert breaker.wait_s(FIRST_S) > 0


def test_the_probes_answer_closes_it_and_nobody_elses_does() -> None:
    breaker = opened_at(0.0)
    breaker.probe(CALL, 1.0)

    assert not breaker.answered(OTHER, 1.1)
    assert not breaker.failed(OTHER, 0.0, 1.1, 1.0)
    assert not breaker.closed
    assert breaker.answered(CALL, 1.2)
    assert breaker.closed
    assert breaker.wait_s(1.2) == 0
    assert not tell(breaker, [(2.0 + number, False) for number in range(4)])


def test_each_probe_that_fails_doubles_the_time_up_to_a_bound() -> None:
    breaker, now, waited = opened_at(0.0), 0.0, list[float]()
    for _ in range(6):
        waited.append(breaker.wait_s(now))
        now += waited[-1]
        assert breaker.probe(CALL, now)
        assert breaker.failed(CALL, now, now, chance=1.0)

    assert waited == pytest.approx([0.5, 1, 2, 4, 4, 4])
    assert waited[-1] == LONGEST_S


def test_once_it_was_closed_the_time_is_short_again() -> None:
    breaker, now = opened_at(0.0), 0.0
    for _ in range(3):
        now += breaker.wait_s(now)
        breaker.probe(CALL, now)
        breaker.failed(CALL, now, now, chance=1.0)
    now += breaker.wait_s(now)
    breaker.probe(CALL, now)
    breaker.answered(CALL, now)

    tell(breaker, [(now + 1 + number, False) for number in range(IN_A_ROW)])

    assert breaker.wait_s(now + IN_A_ROW) == FIRST_S


def test_up_to_half_of_the_time_is_chance() -> None:
    breaker = Breaker()
    for number in range(IN_A_ROW):
        breaker.failed(CALL, number - 0.5, float(number), chance=0.0)
    assert breaker.wait_s(4.0) == FIRST_S / 2


def test_a_probe_that_shows_nothing_leaves_it_to_the_next() -> None:
    breaker = opened_at(0.0)
    breaker.probe(CALL, 1.0)

    breaker.withdraw(OTHER)
    assert not breaker.probe(OTHER, 1.0)
    breaker.withdraw(CALL)
    assert breaker.probe(OTHER, 1.0)


ends = st.lists(st.tuples(st.floats(0.001, 4), st.sampled_from([True, True, True, False, False])), max_size=120)


def mostly_failing(told: list[tuple[float, bool]], now: float, window_s: float) -> bool:
    recent = [well for at, well in told if at > now - window_s]
    return len(recent) >= LEAST and recent.count(False) >= SHARE * len(recent)


@given(ends)
def test_it_opens_when_it_should_and_only_then(ends: list[tuple[float, bool]]) -> None:
    breaker, now, row = Breaker(), 0.0, 0
    told: list[tuple[float, bool]] = []
    for passes, well in ends:
        began_at, now = now + passes / 2, now + passes
        told.append((now, well))
        if well:
            row = 0
            breaker.answered(CALL, now)
            continue
        row += 1
        opened = breaker.failed(CALL, began_at, now, 1.0)
        # The window moves in steps of 5 s, so it is one of those between 25 and 30 s.
        stamps = {at for at, _ in told if now - WINDOW_S <= at <= now - WINDOW_S + 5}
        windows = {WINDOW_S, WINDOW_S - 5, *(now - at for at in stamps), *(now - at + 1e-9 for at in stamps)}
        judged = [mostly_failing(told, now, window_s) for window_s in windows]
        if opened:
            assert row == IN_A_ROW or any(judged)
            return
        assert row < IN_A_ROW
        assert not all(judged)


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["well", "failed", "gone", "nothing"])), max_size=60))
def test_it_never_stays_open_for_ever_and_never_lets_two_probes_go(steps: list[tuple[float, str]]) -> None:
    breaker, now = opened_at(0.0), 0.0
    out: object = None
    for passes, what in steps:
        now += passes
        if breaker.closed:
            return
        assert 0 <= breaker.wait_s(now) <= LONGEST_S
        prober = object()
        if breaker.probe(prober, now):
            assert out is None
            out = prober
        if out is None:
            continue
        if what == "well":
            assert breaker.answered(out, now)
        elif what == "failed":
            breaker.failed(out, now, now, 0.5)
        elif what == "gone":
            breaker.withdraw(out)
        out = None if what != "nothing" else out
    if out is not None:
        breaker.withdraw(out)
    assert breaker.closed or breaker.probe(object(), now + LONGEST_S)
