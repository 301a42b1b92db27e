"""Where spans of time lie on an axis made of characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.server.demo.axis import ASCII, BLOCKS, Axis, Glyphs, Stroke

GLYPHS = pytest.mark.parametrize("glyphs", [BLOCKS, ASCII], ids=["blocks", "ascii"])
SECONDS = st.floats(min_value=0, max_value=500, allow_nan=False)
AXES = st.builds(Axis, st.integers(min_value=8, max_value=120), st.floats(min_value=0.01, max_value=400))


def drawn(axis: Axis, start_s: float, end_s: float) -> str:
    stroke = axis.stroke(start_s, end_s)
    return " " * stroke.lead + stroke.cells


@GLYPHS
def test_a_span_of_the_whole_axis_fills_it(glyphs: Glyphs) -> None:
    assert Axis(10, 5, glyphs).stroke(0, 5) == Stroke(0, glyphs.full * 10)


def test_a_bar_ends_to_an_eighth_of_a_cell() -> None:
    axis = Axis(10, 10)

    ends = [drawn(axis, 0, 2 + n / 8) for n in range(9)]

    assert ends == ["██", "██▏", "██▎", "██▍", "██▌", "██▋", "██▊", "██▉", "███"]


def test_a_bar_starts_in_the_middle_of_a_cell_where_that_is_closer() -> None:
    starts = [drawn(Axis(10, 10), 1 + n / 8, 4) for n in (0, 1, 3, 4, 5, 7, 8)]

    assert starts == [" ███", " ███", " ▐██", " ▐██", " ▐██", "  ██", "  ██"]


def test_without_block_characters_bars_take_whole_cells() -> None:
    assert drawn(Axis(10, 10, ASCII), 1.4, 3.6) == " ###"


@GLYPHS
def test_a_span_too_short_to_see_is_drawn_as_a_sliver(glyphs: Glyphs) -> None:
    assert len(drawn(Axis(10, 1000, glyphs), 0, 0.001)) == 1


@GLYPHS
def test_a_span_past_the_end_of_the_axis_stays_on_it(glyphs: Glyphs) -> None:
    assert len(drawn(Axis(10, 5, glyphs), 90, 99)) == 10


@GLYPHS
@given(axis=AXES, spans=st.tuples(SECONDS, SECONDS).map(sorted))
def test_no_bar_exceeds_the_axis_and_each_can_be_seen(glyphs: Glyphs, axis: Axis, spans: list[float]) -> None:
    stroke = Axis(axis.width, axis.horizon_s, glyphs).stroke(*spans)

    assert stroke.cells.strip()
    assert stroke.lead + len(stroke.cells) <= axis.width


@GLYPHS
@given(axis=AXES, share=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted))
def test_a_bar_lies_where_its_times_are_but_for_rounding_and_the_sliver(
    glyphs: Glyphs, axis: Axis, share: list[float]
) -> None:
    stroke = Axis(axis.width, axis.horizon_s, glyphs).stroke(*(part * axis.horizon_s for part in share))

    assert abs(stroke.lead - share[0] * axis.width) <= 1
    assert abs(stroke.lead + len(stroke.cells) - share[1] * axis.width) < 1.6


@GLYPHS
@given(axis=AXES, times=st.lists(SECONDS, min_size=4, max_size=4).map(sorted))
def test_a_call_that_ended_before_another_began_is_drawn_before_it(
    glyphs: Glyphs, axis: Axis, times: list[float]
) -> None:
    axis = Axis(axis.width, axis.horizon_s, glyphs)

    first, second = axis.stroke(times[0], times[1]), axis.stroke(times[2], times[3])

    assert first.lead + len(first.cells) - 1 <= second.lead


def test_ticks_stand_at_whole_cells_and_equal_distances() -> None:
    assert Axis.fitting(40, 9.2).ruler() == "▏0  ▏1  ▏2  ▏3  ▏4  ▏5  ▏6  ▏7  ▏8  ▏9 s"


def test_a_ruler_has_at_most_ten_ticks_and_room_for_each_number() -> None:
    assert Axis.fitting(60, 5.2).ruler().split() == ["▏0", "▏1", "▏2", "▏3", "▏4", "▏5", "s"]
    assert Axis.fitting(20, 9.2).ruler() == "▏0  ▏2  ▏4  ▏6  ▏8 s"


def test_a_tick_stands_where_a_bar_that_starts_then_starts() -> None:
    axis = Axis.fitting(60, 9.2)

    assert axis.ruler().index("▏3") == axis.stroke(3, 5).lead


@given(
    width=st.integers(min_value=8, max_value=120),
    longest_s=st.floats(min_value=0, max_value=2000),
)
def test_a_fitting_axis_has_room_for_the_longest_time_and_a_ruler_as_wide_as_itself(
    width: int, longest_s: float
) -> None:
    axis = Axis.fitting(width, longest_s)

    assert axis.horizon_s >= longest_s * (1 - 1e-6)
    assert len(axis.ruler()) == width
    assert axis.ruler().startswith("▏0")


def test_the_time_saved_is_an_arrow_from_the_batchs_end_to_the_last_calls_end() -> None:
    assert Axis(20, 10).gap(2, 10, "8 s saved") == Stroke(4, "◂─ 8 s saved ──▸")


def test_a_gap_too_small_for_an_arrow_keeps_its_words_or_nothing() -> None:
    assert Axis(20, 20).gap(8, 19, "11 s saved") == Stroke(8, "11 s saved")
    assert Axis(20, 20).gap(18, 19, "1 s saved") == Stroke(18, "")


@given(axis=AXES, span=st.tuples(SECONDS, SECONDS).map(sorted))
def test_no_gap_exceeds_the_axis(axis: Axis, span: list[float]) -> None:
    stroke = axis.gap(span[0], span[1], "6.7 s saved")

    assert stroke.lead + len(stroke.cells) <= axis.width
