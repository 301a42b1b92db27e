"""When an upstream says to come back: seconds, dates, and whatever else stands in the header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.tools.retry_after import LONGEST_S, retry_after_s

NOW = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT"""


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0), ("3", 3), (" 120 ", 120), ("1.5", 1.5), ("2.", 2), ("+4", 4), ("-7", 0), ("-0", 0)],
)
def test_seconds_are_taken_as_they_are_and_what_is_past_is_now(header: str, seconds: float) -> None:
    assert retry_after_s(header, NOW) == seconds


@pytest.mark.parametrize(
    "header",
    ["Sun, 06 Nov 1994 08:49:57 GMT", "Sunday, 06-Nov-94 08:49:57 GMT", "Sun Nov  6 08:49:57 1994"],
)
def test_each_form_of_an_http_date_is_read(header: str) -> None:
    assert retry_after_s(header, NOW) == 20


def test_a_date_in_another_zone_or_in_the_past_is_read_too() -> None:
    assert retry_after_s("Sun, 06 Nov 1994 09:50:07 +0100", NOW) == 30
    assert retry_after_s("Sun, 06 Nov 1994 08:49:36 GMT", NOW) == 0


@pytest.mark.parametrize("header", ["1000000000", "9" * 90, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_what_is_far_away_is_brought_near(header: str) -> None:
    assert retry_after_s(header, NOW) == LONGEST_S


@pytest.mark.parametrize(
    "header",
    [None, "", " ", "soon", "1e9", "nan", "inf", "1_000", "0x10", "٣", "3 s", "1,5", "9" * 200, "99 Foo 1994", ","],
)
def test_garbage_says_nothing(header: str | None) -> None:
    assert retry_after_s(header, NOW) is None


@given(st.text(max_size=120), st.floats(0, 1e11))
def test_nothing_that_can_stand_there_raises_or_gives_a_wait_out_of_bounds(header: str, now: float) -> None:
    waited = retry_after_s(header, now)
    assert waited is None or 0 <= waited <= LONGEST_S
