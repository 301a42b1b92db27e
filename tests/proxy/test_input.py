"""Lines on their way to a child: together where they are small, and not held up for each other where they are many."""

import asyncio

from headgate.proxy.input import Input


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
