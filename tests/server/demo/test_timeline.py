"""Calls drawn over time: what stands in each row, in which column, in which colour."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from headgate.server.demo.axis import ASCII, BLOCKS, Glyphs
from headgate.server.demo.timeline import FAILED, TINTS, Bar, Page, heading, saved_percent, saving, timeline

PAGE = Page(width=80, label_width=15, longest_s=9.2)
TRIAGE = (
    Bar("get_order", "read", "ok", 0, 1.4),
    Bar("get_customer", "read", "ok", 0, 1.6),
    Bar("get_payment", "read", "ok", 0, 1.9),
    Bar("get_shipment", "read", "timeout", 0, 2.5),
)


def plain(lines: list[Text]) -> list[str]:
    return [line.plain for line in lines]


def colours(line: Text) -> str:
    return " ".join(str(span.style) for span in line.spans)


def test_each_call_has_a_row_with_its_name_bar_duration_class_and_status_over_one_ruler() -> None:
    assert plain(timeline(TRIAGE, PAGE)) == [
        "  get_order      █████▋                                    1.40 s  read  ok",
        "  get_customer   ██████▍                                   1.60 s  read  ok",
        "  get_payment    ███████▋                                  1.90 s  read  ok",
        "  get_shipment   ██████████                                2.50 s  read  timeout",
        "                 ▏0  ▏1  ▏2  ▏3  ▏4  ▏5  ▏6  ▏7  ▏8  ▏9 s",
    ]


def test_without_block_characters_every_line_is_ascii() -> None:
    page = Page(80, 15, 9.2, ASCII)

    lines = [*timeline(TRIAGE, page), *saving(2.5, 9.2, page), heading("One batch", "2.51 s", page)]

    assert all(line.plain.isascii() for line in lines)
    assert lines[0].plain == "  get_order      ######                                    1.40 s  read  ok"


def test_a_call_that_was_never_sent_has_no_bar_and_says_so() -> None:
    row = timeline([Bar("add_note", "write", "skipped", None, None)], PAGE)[0]

    assert row.plain.split() == ["add_note", "not", "sent", "write", "skipped"]


def test_a_running_call_grows_with_the_time_that_has_gone_by_and_looks_unfinished() -> None:
    running = [Bar("get_order", "read", "running", 1.0, None)]

    shorter, longer = (timeline(running, PAGE, elapsed_s=at)[0].plain for at in (2.0, 3.0))

    assert shorter == "  get_order          ░░░░                                  1.00 s  read  ..."
    assert longer == "  get_order          ░░░░░░░░                              2.00 s  read  ..."


def test_reads_writes_and_failures_differ_in_colour() -> None:
    read, write, failed, _ = timeline(
        [
            Bar("a", "read", "ok", 0, 1),
            Bar("b", "write", "ok", 0, 1),
            Bar("c", "read", "timeout", 0, 1),
        ],
        PAGE,
    )

    assert TINTS["read"][0] in colours(read)
    assert TINTS["write"][1] in colours(write)
    assert FAILED["timeout"] in colours(failed)


def test_neighbours_of_one_class_take_turns_between_two_shades() -> None:
    first, second, *_ = timeline(TRIAGE, PAGE)

    assert TINTS["read"][0] in colours(first)
    assert TINTS["read"][1] in colours(second)


def test_the_total_stands_over_the_durations() -> None:
    title = heading("One batch", "2.50 s", PAGE).plain
    row = timeline(TRIAGE, PAGE)[-2].plain

    assert title.startswith("One batch ")
    assert title.index("2.50 s") == row.index("2.50 s")


def test_the_saving_is_drawn_from_the_batchs_end_to_the_end_of_the_calls_one_by_one() -> None:
    one_by_one = timeline([Bar("get_shipment", "read", "ok", 4.9, 9.2)], PAGE)[0].plain
    arrow, figures = plain(saving(2.5, 9.2, PAGE))

    assert arrow.strip() == "◂───── 6.7 s saved ──────▸"
    assert arrow.index("◂") == timeline(TRIAGE, PAGE)[3].plain.rindex("█") + 1
    assert abs(arrow.index("▸") - one_by_one.rindex("█")) <= 1
    assert figures.strip() == "9.2 s → 2.5 s   73 % less"


@pytest.mark.parametrize(("batch_s", "percent"), [(2.5, 73), (9.2, 0), (0.0, 100)])
def test_the_saving_is_told_in_percent_of_the_time_one_by_one(batch_s: float, percent: int) -> None:
    assert saved_percent(batch_s, 9.2) == percent


def test_nothing_is_saved_of_no_time_at_all() -> None:
    assert saved_percent(0.0, 0.0) == 0


KINDS: tuple[Literal["read", "write"], ...] = ("read", "write")
BARS = st.lists(
    st.builds(
        Bar,
        st.text("abc_[]{}", min_size=1, max_size=40),
        st.sampled_from(KINDS),
        st.sampled_from(["ok", "timeout", "error", "unknown", "skipped", "pending"]),
        st.none() | st.floats(0, 50),
        st.floats(50, 99),
    ),
    max_size=8,
)


@pytest.mark.parametrize("glyphs", [BLOCKS, ASCII], ids=["blocks", "ascii"])
@given(bars=BARS, width=st.integers(60, 100))
def test_every_call_has_its_row_in_the_order_given_and_no_row_is_wider_than_the_page(
    glyphs: Glyphs, bars: list[Bar], width: int
) -> None:
    lines = plain(timeline(bars, Page(width, 16, 99, glyphs)))

    assert [line[2:18].strip() for line in lines[:-1]] == [bar.label[:15] for bar in bars]
    assert len(lines) == len(bars) + 1
    assert max(map(len, lines)) <= width


@given(bars=BARS)
def test_durations_classes_and_statuses_stand_in_one_column_each(bars: list[Bar]) -> None:
    rows = plain(timeline(bars, Page(100, 16, 99)))[:-1]

    for row, bar in zip(rows, bars, strict=True):
        assert row[85:87] == "  "
        assert row[87:92].strip() == bar.kind
        assert row[93:] == bar.status
