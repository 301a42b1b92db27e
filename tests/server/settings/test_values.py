"""The small languages of the file."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.server.settings import values

Language = Callable[[object], float | tuple[int, float]]


@given(st.integers(1, 10**9 - 1))
def test_milliseconds_are_thousandths_of_a_second(count: int) -> None:
    if count <= values.LONGEST_S * 1000:
        assert values.duration(f"{count}ms") == count / 1000


@given(st.decimals(min_value="0.001", max_value=1440, places=3))
def test_a_duration_comes_back_as_the_seconds_it_was_written_from(number: object) -> None:
    text = f"{number:f}"

    assert values.duration(f"{text}s") == float(text)
    assert values.duration(f"{text}m") == pytest.approx(float(text) * 60)


@given(st.integers(1, 100_000))
def test_a_size_comes_back_as_the_bytes_it_was_written_from(kilobytes: int) -> None:
    assert values.size(f"{kilobytes}KB") == kilobytes * 1000
    assert values.size(f"{kilobytes}B") == kilobytes


@given(st.integers(1, values.FASTEST), st.sampled_from([("s", 1.0), ("min", 60.0), ("h", 3600.0)]))
def test_a_rate_is_a_count_and_its_period(count: int, unit: tuple[str, float]) -> None:
    assert values.rate(f"{count}/{unit[0]}") == (count, unit[1])


@given(st.sampled_from([values.duration, values.size, values.rate]), st.text() | st.text("0123456789.smhkKMB/n-+e "))
def test_a_text_is_a_positive_finite_number_or_refused_in_one_line(language: Language, text: str) -> None:
    outcome = _outcome(language, text)
    if isinstance(outcome, str):
        assert outcome.isprintable()
        assert len(outcome) < 200
    else:
        assert 0 < (outcome if isinstance(outcome, int | float) else outcome[0]) < 10**9


def _outcome(language: Language, text: str) -> float | tuple[int, float] | str:
    try:
        return language(text)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "s",
        "30 s",
        "30sec",
        "1h",
        "-1s",
        "+1s",
        "1e3s",
        ".5s",
        "5.s",
        "infs",
        "nans",
        "0s",
        "0.0ms",
        "1441m",
        "٣s",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r'write one such as "250ms"|at most "1440m"'):
        values.duration(text)


def test_a_number_for_a_duration_is_told_with_the_text_to_write() -> None:
    with pytest.raises(ValueError, match='write "30s" if seconds are meant'):
        values.duration(30)


@pytest.mark.parametrize("text", ["", "8", "8 KB", "8KiB", "8kb", "1GB", "0KB", "0.0001KB", "101MB", 8000, True])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"8KB|whole number of bytes|100MB"):
        values.size(text)


def test_a_fraction_of_a_kilobyte_may_be_whole_bytes() -> None:
    assert values.size("1.5KB") == 1500


@pytest.mark.parametrize("text", ["", "20", "20/m", "20 / s", "0.5/s", "0/s", "-1/s", "1000001/s", "20/sec", 20])
def test_what_is_no_rate_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"20/s|1000000/s"):
        values.rate(text)


def test_a_whole_number_is_neither_true_nor_a_fraction_nor_out_of_bounds() -> None:
    read = values.whole(1, 8)

    assert [read(1), read(8)] == [1, 8]
    for value in (0, 9, True, 1.0, "1"):
        with pytest.raises(ValueError, match="a whole number from 1 to 8"):
            read(value)


@pytest.mark.parametrize(
    ("written", "meant"), [(True, True), (False, False), (0.1, 0.1), (0, False), (1, True), (1.0, True), (0.0, False)]
)
def test_parallel_is_yes_no_or_a_share(written: object, meant: object) -> None:
    read = values.parallel(written)

    assert read == meant
    assert type(read) is type(meant)


@pytest.mark.parametrize("written", [1.1, -0.1, float("nan"), float("inf"), "true", None, []])
def test_parallel_is_nothing_else(written: object) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        values.parallel(written)


def test_a_long_or_unprintable_text_is_shown_short_and_printable() -> None:
    assert values.shown("a\x1b[31m\nb") == '"a�[31m�b"'
    assert len(values.shown("x" * 1000)) < 50
