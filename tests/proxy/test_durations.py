"""How long tools have taken of late."""

from headgate.proxy.durations import KEPT, Durations


def test_of_a_tool_that_was_never_called_nothing_is_known() -> None:
    assert Durations().typical_s("get") is None


def test_the_typical_duration_is_the_median_of_the_latest_calls() -> None:
    durations = Durations()
    for seconds in (9.0,) * KEPT + (1.0, 2.0, 3.0) + (2.0,) * (KEPT - 3):
        durations.note("get", seconds)

    assert durations.typical_s("get") == 2.0
