"""Output is cut into the same lines however it arrives, and none of them fills the memory."""

from hypothesis import given
from hypothesis import strategies as st

from headgate.proxy.output import DRAINED, Output, TooLong

LIMIT = 8
LINES = st.lists(st.binary(max_size=3 * LIMIT).filter(lambda line: b"\n" not in line))


def fed(output: Output, *pieces: bytes) -> list[bytes | TooLong]:
    return [line for piece in pieces for line in output.feed(piece)]


@given(lines=LINES, data=st.data())
def test_however_output_is_cut_into_pieces_the_lines_are_the_same(lines: list[bytes], data: st.DataObject) -> None:
    output = Output(LIMIT)
    stream = b"".join(line + b"\n" for line in lines)
    pieces: list[bytes] = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        pieces.append(stream[:cut])
        stream = stream[cut:]

    assert [line.size if isinstance(line, TooLong) else line for line in fed(output, *pieces)] == [
        line if len(line) <= LIMIT else len(line)
        for line in lines
        if len(line) > LIMIT or (line and not line.isspace())
    ]
    assert output.held == 0


def test_of_a_line_that_is_too_long_its_edges_and_its_size_are_kept() -> None:
    output = Output(1_000)
    pieces = [b"{head", *[b"x" * 600] * 3, b"tail}\nnext\n"]
    lost, line = fed(output, *pieces)
    assert isinstance(lost, TooLong)
    assert (lost.size, lost.ended, len(lost.head), len(lost.tail)) == (1_810, True, 512, 512)
    assert lost.head.startswith(b"{headx")
    assert lost.tail.endswith(b"xtail}")
    assert line == b"next"


def test_a_line_without_an_end_is_not_kept_and_counts_as_endless_at_last() -> None:
    output = Output(1_000)
    for _ in range(DRAINED):
        assert output.endless is None
        assert fed(output, b"x" * 1_000) == []
        assert output.held <= 1_024
    fed(output, b"x")
    endless = output.endless
    assert endless is not None
    assert (endless.size, endless.ended) == (16_001, False)
