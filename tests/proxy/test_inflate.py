"""Compressed bodies, whole and not, however they are cut."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.proxy.inflate import PIECE, BadBodyError, Inflater, unpacked


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def in_parts(data: bytes) -> bytes:
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(data[half:]) + gzip.compress(b"")


WAYS: dict[str, tuple[bool, Callable[[bytes], bytes]]] = {
    "gzip": (True, gzip.compress),
    "parts": (True, in_parts),
    "zlib": (False, zlib.compress),
    "bare": (False, bare),
}
every_way = pytest.mark.parametrize(("is_gzip", "pack"), WAYS.values(), ids=WAYS.keys())


def inflated(packed: bytes, cut: int = 1_000_000, *layers: Inflater) -> bytes:
    pieces = (packed[start : start + cut] for start in range(0, len(packed), cut))
    whole = b"".join(piece for part in pieces for piece in unpacked(layers, part))
    for layer in layers:
        layer.check_end()
    return whole


@every_way
@given(data=st.binary(max_size=200), cut=st.integers(1, 300))
def test_a_body_is_what_was_packed_however_it_is_cut(
    is_gzip: bool,  # noqa: FBT001 - a case
    pack: Callable[[bytes], bytes],
    data: bytes,
    cut: int,
) -> None:
    assert inflated(pack(data), cut, Inflater(gzip=is_gzip)) == data
    assert inflated(gzip.compress(pack(data)), cut, Inflater(gzip=True), Inflater(gzip=is_gzip)) == data


@every_way
def test_a_body_that_ends_too_early_is_not_taken_for_a_whole_one(
    is_gzip: bool,  # noqa: FBT001 - a case
    pack: Callable[[bytes], bytes],
) -> None:
    packed = pack(bytes(range(256)) * 20)
    for end in (1, 2, 20, len(packed) - 1):
        with pytest.raises(BadBodyError):
            inflated(packed[:end], 7, Inflater(gzip=is_gzip))


def test_no_body_is_a_whole_one() -> None:
    assert inflated(b"", 1, Inflater(gzip=True)) == b""


@pytest.mark.parametrize("rest", [b"\0\0\0", b"and so on", b"\x1f"])
@pytest.mark.parametrize("cut", [1, 1_000])
def test_what_comes_behind_the_end_is_let_go(rest: bytes, cut: int) -> None:
    layer = Inflater(gzip=True)
    assert inflated(gzip.compress(b"x") + rest, cut, layer) == b"x"
    assert [*layer.feed(bytes(1_000_000))] == []


@pytest.mark.parametrize("body", [b"plain text", b"\x1f\x8bnot gzip after all"])
def test_what_is_not_packed_is_no_body(body: bytes) -> None:
    with pytest.raises(BadBodyError):
        inflated(body, 1, Inflater(gzip=True))


def test_a_bomb_goes_off_piece_by_piece() -> None:
    layer = Inflater(gzip=True)
    pieces = layer.feed(gzip.compress(bytes(20 * PIECE)))
    assert [len(next(pieces)) for _ in range(3)] == [PIECE] * 3
