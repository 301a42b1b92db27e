"""Lines on their way to a child: together where they are small, and not held up for each other where they are many."""

import asyncio
import os
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from headgate.proxy.input import Input, Slip


class Pipe:
    """Takes all that it is given."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def fileno(self) -> int:
        return 1

    def write(self, data: bytes | memoryview, /) -> int:
        self.taken.append(bytes(data))
        return len(data)

    def close(self) -> None:
        pass


async def test_the_first_line_goes_at_once_and_the_others_of_its_turn_together() -> None:
    pipe = Pipe()
    child = Input(pipe, lambda: None)
    for line in (b"a", b"b", b"c"):
        child.write(line)
    assert pipe.taken == [b"a\n"]

    await asyncio.sleep(0)

    assert pipe.taken == [b"a\n", b"b\nc\n"]
    assert child.waiting == 0


async def test_a_child_can_begin_with_many_lines_while_more_of_them_are_made() -> None:
    pipe = Pipe()
    child = Input(pipe, lambda: None)
    lines = [b"%d" % number * 100 for number in range(1_000)]
    for line in lines:
        child.write(line)

    assert child.waiting < 10_000
    await asyncio.sleep(0)
    assert b"".join(pipe.taken) == b"".join(line + b"\n" for line in lines)
    assert len(pipe.taken) < 50


class Narrow(Pipe):
    """Takes so many bytes each time that it is asked, and none where that is 0."""

    def __init__(self, room: list[int]) -> None:
        super().__init__()
        self._room = room
        self._fd = os.open(os.devnull, os.O_WRONLY)

    def fileno(self) -> int:
        return self._fd

    def write(self, data: bytes | memoryview, /) -> int:
        room = self._room.pop(0) if self._room else len(data)
        return super().write(data[:room])

    def close(self) -> None:
        os.close(self._fd)


@given(
    turns=st.lists(st.lists(st.binary(max_size=9).filter(lambda line: b"\n" not in line), max_size=3), max_size=4),
    room=st.lists(st.integers(0, 12), max_size=6),
)
def test_whatever_the_pipe_takes_at_a_time_every_line_comes_whole_in_order_and_knows_its_place(
    turns: list[list[bytes]], room: list[int]
) -> None:
    async def write() -> None:
        pipe = Narrow(room)
        child = Input(pipe, lambda: None)
        loop = asyncio.get_running_loop()
        waits: set[int] = set()

        def add_writer(fd: int, again: Callable[[], None]) -> None:
            waits.add(fd)
            loop.call_soon(look, fd, again)

        def look(fd: int, again: Callable[[], None]) -> None:
            if fd in waits:
                again()
                loop.call_soon(look, fd, again)

        loop.add_writer, loop.remove_writer = add_writer, waits.discard  # type: ignore[method-assign] # no pipe to wait for
        slips: list[Slip] = []
        for lines in turns:
            slips += [child.write(line) for line in lines]
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        written = [line for lines in turns for line in lines]

        assert b"".join(pipe.taken) == b"".join(line + b"\n" for line in written)
        assert child.waiting == 0
        place = 0
        for line, slip in zip(written, slips, strict=True):
            place += len(line) + 1
            assert slip.end == place
            assert slip.begun
        child.close()

    asyncio.run(write())
