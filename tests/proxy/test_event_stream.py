"""Server-sent events out of bytes, however they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.proxy.event_stream import Event, EventCutter, TooLargeError

LIMIT = 1_000


def cut(*pieces: bytes, limit: int = LIMIT, drain: bool = False) -> list[Event]:
    cutter = EventCutter(limit, drain=drain)
    return [event for piece in pieces for event in cutter.feed(piece)]


def test_an_event_has_a_name_data_an_id_and_a_wish() -> None:
    stream = b": hello\nevent: news\nid: 7\nretry: 1500\ndata: one\ndata:two\nother: x\n\ndata: three\n\n"
    assert cut(stream) == [Event("news", b"one\ntwo", "7", 1.5), Event("message", b"three", "7")]


def test_what_says_nothing_is_no_event_and_one_that_is_not_ended_is_not_yet_one() -> None:
    assert cut(b"\n\n: comment\n\ndata: begun\n") == []
    assert cut(b"id: 1\ndata:\n\n") == [Event("message", b"", "1")]


def test_a_mark_of_byte_order_is_no_part_of_a_stream_and_a_name_that_is_empty_is_none() -> None:
    stream = b"\xef\xbb\xbfdata: x\n\nevent:\ndata: y\n\n"
    assert cut(stream[:1], stream[1:]) == [Event("message", b"x"), Event("message", b"y")]
    assert cut(b"\xef\xbb\xbf\ndata: x\n\n") == [Event("message", b"x")]


@pytest.mark.parametrize("line", [b"id: \xc3\xbc", b"id: " + b"x" * 2_000, b"id: a\0b", b"retry: soon", b"retry: -1"])
def test_what_could_not_be_sent_back_or_waited_for_is_not_noted(line: bytes) -> None:
    assert cut(line + b"\ndata: x\n\n", limit=5_000) == [Event("message", b"x")]


lines = st.sampled_from(
    [b"", b"", b"data: x", b"data", b"data: \xff", b": c", b"id: 1", b"id", b"event: e", b"retry: 9"]
)


@given(
    st.lists(lines, max_size=20), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.lists(st.integers(0, 200), max_size=8)
)
def test_where_the_bytes_are_cut_and_how_lines_end_changes_nothing(
    stream: list[bytes], end: bytes, cuts: list[int]
) -> None:
    plain = b"".join(line + b"\n" for line in stream)
    ended = b"".join(line + end for line in stream)
    places = sorted({0, len(ended), *(min(place, len(ended)) for place in cuts)})
    pieces = [ended[start:stop] for start, stop in pairwise(places)]
    assert cut(*pieces) == cut(plain)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: " + b"x" * LIMIT],
        [b"data: x"] + [b"x" * 100] * 10,
        [b"data: x\n"] * 200,
        [b": " + b"x" * LIMIT],
    ],
)
def test_an_event_beyond_the_limit_is_an_error_before_it_is_over(pieces: list[bytes]) -> None:
    with pytest.raises(TooLargeError):
        cut(*pieces)


def test_comments_without_end_are_no_large_event() -> None:
    assert cut(*[b": still there\n"] * 1_000, b"data: x\n\n") == [Event("message", b"x")]


@pytest.mark.parametrize("size", [1, 7, 700, 5_000])
def test_where_large_events_are_let_go_the_stream_goes_on_behind_them(size: int) -> None:
    large = b'data: {"id": 7, "result": "' + b"x" * 3_000 + b'", "last": 8}\n\n'
    stream = large + b"data: y\n\n"
    first, second = cut(*(stream[at : at + size] for at in range(0, len(stream), size)), drain=True)
    assert first.too_long is not None
    assert first.too_long.head.startswith(b'{"id": 7')
    assert first.too_long.tail.endswith(b'"last": 8}')
    assert 3_000 < first.too_long.size < 3_100
    assert second == Event("message", b"y")


def test_one_that_has_no_end_is_not_let_go_for_ever() -> None:
    with pytest.raises(TooLargeError):
        cut(*[b"data: " + b"x" * 100] * 1_000, drain=True)
