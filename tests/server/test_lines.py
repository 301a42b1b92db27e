"""Lines from a client: offered as they come, kept in order where nobody takes them, and never too many at once."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from headgate.server.lines import LINES_A_TURN, MAX_AHEAD, LineSource, sink_of, source_of

LIMIT_S = 10


@asynccontextmanager
async def piped() -> AsyncGenerator[tuple[LineSource, int]]:
    """A source, and the file descriptor that writes into it."""
    read, write = os.pipe()
    source = await source_of(read)
    try:
        yield source, write
    finally:
        source.close()
        os.close(write)


def numbered(count: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(count))


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0.001)


async def test_a_line_that_is_taken_when_it_is_offered_comes_no_second_time() -> None:
    async with asyncio.timeout(LIMIT_S), piped() as (source, write):
        taken: list[bytes] = []

        def even(line: bytes) -> bool:
            if int(line) % 2:
                return False
            taken.append(line)
            return True

        source.offer = even
        os.write(write, b"0\n2\n3\n")

        assert await source.next_line() == b"3"
        assert taken == [b"0", b"2"]


async def test_nothing_is_offered_while_a_line_before_it_waits_to_be_taken() -> None:
    async with asyncio.timeout(LIMIT_S), piped() as (source, write):
        offered: list[bytes] = []
        source.offer = lambda line: offered.append(line) or line != b"0"
        os.write(write, numbered(3))
        await turns()

        assert offered == [b"0"]
        assert [await source.next_line() for _ in range(3)] == [b"0", b"1", b"2"]


async def test_many_lines_at_once_leave_the_event_loop_to_others_in_between() -> None:
    async with asyncio.timeout(LIMIT_S), piped() as (source, write):
        done, at_once, most = asyncio.Event(), 0, 0

        def take(line: bytes) -> bool:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            if line == b"999":
                done.set()
            return True

        source.offer = take
        os.write(write, numbered(1000))
        while not done.is_set():
            at_once = 0
            await asyncio.sleep(0)

        assert most == LINES_A_TURN


async def test_a_source_that_is_held_offers_nothing_until_it_goes_on() -> None:
    async with asyncio.timeout(LIMIT_S), piped() as (source, write):
        taken: list[bytes] = []
        source.offer = lambda line: taken.append(line) or True
        source.hold()
        os.write(write, numbered(3))
        await turns()
        assert taken == []

        source.go_on()
        await turns()
        assert taken == [b"0", b"1", b"2"]


async def test_who_sends_more_than_anybody_takes_has_to_wait() -> None:
    line = b"x" * 1000
    async with asyncio.timeout(LIMIT_S), piped() as (source, write):
        os.set_blocking(write, False)
        sent = 0
        for _ in range(20):
            try:
                while True:
                    sent += os.write(write, line + b"\n")
            except BlockingIOError:
                await turns(5)
        assert sent < 4 * MAX_AHEAD + 500_000  # what the pipe holds, and a read that was under way
        whole = [await source.next_line() for _ in range(sent // 1001)]
        assert {*whole} == {line}


async def test_the_end_comes_after_every_line_even_one_without_its_end() -> None:
    read, write = os.pipe()
    source = await source_of(read)
    os.write(write, b"a\n\nb")
    os.close(write)
    async with asyncio.timeout(LIMIT_S):
        assert [await source.next_line() for _ in range(4)] == [b"a", b"b", None, None]
    source.close()


async def test_what_was_written_is_there_for_who_reads_it_late() -> None:
    read, write = os.pipe()
    sink = sink_of(write)
    line = b"y" * 200_000  # more than a pipe takes
    room = sink.write(line)
    pieces: list[bytes] = []
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(sink.close())
        await turns(3)
        while piece := await asyncio.to_thread(os.read, read, 65536):
            pieces.append(piece)
    os.close(read)

    assert room
    assert b"".join(pieces) == line + b"\n"


async def test_a_sink_without_room_says_so_and_when_there_is_some_again() -> None:
    read, write = os.pipe()
    sink = sink_of(write)
    emptied = asyncio.Event()
    sink.emptied = emptied.set
    while sink.write(b"z" * 50_000):
        pass
    assert not emptied.is_set()

    async with asyncio.timeout(LIMIT_S):
        while not emptied.is_set():
            await asyncio.to_thread(os.read, read, 65536)
    assert sink.write(b"more")
    await sink.close()
    os.close(read)
