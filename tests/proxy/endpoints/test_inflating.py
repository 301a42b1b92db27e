"""Bodies are unpacked in small pieces, and no further than they may go."""

import gzip
import resource
import zlib
from collections.abc import AsyncGenerator

import pytest

from headgate.proxy.endpoints.inflating import BadBodyError, TooLargeError, body_of

MB = 1024 * 1024
BOMB_MB, CHARGE_MB = 1024, 32


async def parts(content: bytes, size: int = 64 * 1024) -> AsyncGenerator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize("size", [1, 7, 64 * 1024])
@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("", b"hello " * 1000),
        ("identity", b"hello " * 1000),
        ("gzip", gzip.compress(b"hello " * 1000)),
        ("x-gzip", gzip.compress(b"hello " * 500) + gzip.compress(b"hello " * 500)),
        (" GZIP ", gzip.compress(b"hello " * 1000)),
        ("deflate", zlib.compress(b"hello " * 1000)),
        ("deflate", raw_deflate(b"hello " * 1000)),
    ],
)
async def test_a_body_is_what_was_packed(encoding: str, packed: bytes, size: int) -> None:
    assert await body_of(parts(packed, size), encoding) == b"hello " * 1000


async def test_nothing_is_nothing_however_it_is_packed() -> None:
    assert await body_of(parts(b""), "gzip") == b""


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("br", b"x"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x"))),
        ("gzip", b"no gzip"),
        ("gzip", gzip.compress(b"hello" * 100)[:-9]),
        ("gzip", gzip.compress(b"hello") + b"rubbish"),
        ("deflate", b"\xff\xff\xff"),
    ],
)
async def test_what_cannot_be_unpacked_is_told(encoding: str, content: bytes) -> None:
    with pytest.raises(BadBodyError):
        await body_of(parts(content), encoding)


async def test_a_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(bytes(CHARGE_MB * MB)) * (BOMB_MB // CHARGE_MB)
    assert len(bomb) < 2 * MB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(TooLargeError):
        await body_of(parts(bomb, len(bomb)), "gzip", 8 * MB)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 3 * 8 * 1024  # in KB
