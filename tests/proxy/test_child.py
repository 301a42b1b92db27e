"""A child process: bounded, watched, and surely ended with all that it started."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.loops import on_each_loop
from tests.proxy.misbehaving import SECRET, data_of, gone, hostile, opened

from headgate.proxy import child as children
from headgate.proxy.child import Child, started
from headgate.proxy.target import StdioTarget


class Ears:
    """What a child says, and how it ends."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.line = asyncio.Event()
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def hear(self, line: bytes) -> None:
        self.lines.append(line)
        self.line.set()


@asynccontextmanager
async def python(code: str, **env: str) -> AsyncGenerator[tuple[Child, Ears]]:
    """A child that runs `code`."""
    ears = Ears()
    target = StdioTarget(sys.executable, ("-S", "-c", f"import os, sys, time, signal\n{code}"), env)
    async with asyncio.timeout(20), started(target, ears.hear, ears.end.set_result) as child:
        yield child, ears


def pid_of(child: Child) -> int:
    return child._process.get_pid()  # pyright: ignore[reportPrivateUsage]


@on_each_loop
async def test_lines_go_in_and_out_whole_and_in_order() -> None:
    async with python("for line in sys.stdin: print(line, end='', flush=True)\nos._exit(5)") as (child, ears):
        sent = [f"{n} {'x' * (n * 1_000)}".encode() for n in range(100)]
        for line in sent:
            child.write(line)
        while len(ears.lines) < 100:
            ears.line.clear()
            await ears.line.wait()
        assert ears.lines == sent
        assert child.unread == 0


@on_each_loop
async def test_a_last_line_without_its_end_is_no_line() -> None:
    async with python("sys.stdout.write('one\\n\\n  \\ntwo')") as (_, ears):
        assert await ears.end == "it ended with exit code 0"
        assert ears.lines == [b"one"]


@on_each_loop
async def test_how_a_child_ended_is_told_with_its_last_words() -> None:
    async with python("sys.stderr.write('first\\nlast words\\n'); sys.exit(9)") as (_, ears):
        assert await ears.end == "it ended with exit code 9: last words"
    async with python("os.kill(os.getpid(), signal.SIGKILL)") as (_, ears):
        assert await ears.end == "it was ended by SIGKILL"


async def test_a_child_that_closes_its_output_will_answer_nothing_more() -> None:
    # Not so on uvloop: there the child holds a second descriptor of its output, and calls end at their own timeouts.
    async with python("os.close(1); time.sleep(60)") as (_, ears):
        assert await ears.end == "it closed its output"


@on_each_loop
async def test_nothing_can_be_sent_to_a_child_that_has_ended() -> None:
    async with python("pass") as (child, ears):
        assert child.listens
        await ears.end
        assert not child.listens
        child.write(b"nobody reads this")


@on_each_loop
async def test_an_endless_line_ends_the_child_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "MAX_LINE", 4 * 1024 * 1024)
    async with python("while True: os.write(1, b'x' * 65536)") as (child, ears):
        assert await ears.end == "it sent a line of more than 4 MB"
        await asyncio.shield(child.exited)
        assert child._partial_size < 6 * 1024 * 1024  # pyright: ignore[reportPrivateUsage]
    assert ears.lines == []


@on_each_loop
async def test_a_child_that_ends_when_its_input_does_is_not_killed() -> None:
    code = "sys.stdin.read(); time.sleep(0.2); os.write(1, b'goodbye\\n')"
    started_at = time.monotonic()
    async with python(code) as (_, ears):
        pass
    assert ears.lines == [b"goodbye"]
    assert time.monotonic() - started_at < 0.9


@on_each_loop
async def test_one_that_ignores_both_its_input_and_sigterm_is_gone_in_three_and_a_half_seconds() -> None:
    async with python("signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)") as (child, ears):
        await ears.line.wait()
        pid = pid_of(child)
        started_at = time.monotonic()
    await gone(pid, within_s=0.1)
    assert 1.9 < time.monotonic() - started_at < 3.5


@on_each_loop
@pytest.mark.parametrize("and_die", [False, True])
async def test_grandchildren_that_ignore_sigterm_end_with_the_child(*, and_die: bool) -> None:
    async with asyncio.timeout(20):
        async with opened() as connection:
            pids = await data_of(connection, "grandchild", holds=True, and_die=and_die)
        assert await gone(pids["pid"], pids["own"], within_s=0.5) < 0.5


@on_each_loop
async def test_stopping_that_is_itself_interrupted_still_leaves_nothing_running() -> None:
    pids: list[int] = []
    up = asyncio.Event()

    async def own() -> None:
        code = "signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
        async with python(code) as (child, ears):
            await ears.line.wait()
            pids.append(pid_of(child))
            up.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(own())
        await up.wait()
        owner.cancel()
        await asyncio.sleep(0.1)
        owner.cancel()
    await gone(*pids, within_s=0.5)


@on_each_loop
async def test_no_secret_of_the_environment_is_in_what_is_told_of_an_end() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"
    said = {
        "sys.stderr.write('bad token ' + os.environ['TOKEN'])": "bad token •••",
        "sys.stderr.write('401 for ' + os.environ['AUTH'].split()[1])": "401 for •••",
        # Cut where the words are cut, which must not cut the secret in two.
        "sys.stderr.write('.' * 290 + os.environ['TOKEN'])": "." * 290 + "•••",
        # A key of many lines, of which the last is the last word.
        "sys.stderr.write(os.environ['KEY'])": "•••",
        "sys.stderr.write('\\n'.join(os.environ['KEY'].split('\\n')[:3]))": "•••",
        # More than is kept: the beginning of the kept part may be the end of a secret.
        "sys.stderr.write(os.environ['TOKEN'] + '.' * (64 * 1024 - 6))": ".",
    }
    for code, expected in said.items():
        async with python(f"{code}; sys.exit(1)", TOKEN=SECRET, AUTH=f"Bearer {SECRET}", KEY=key) as (_, ears):
            told = await ears.end
        assert told.startswith("it ended with exit code 1: ")
        assert SECRET[-5:] not in told
        assert "MIIE" not in told
        assert expected in told, code


@on_each_loop
async def test_a_flood_on_stderr_is_read_and_only_its_end_is_kept() -> None:
    async with python("sys.stderr.write('noise\\n' * 500_000); print('done', flush=True)") as (child, ears):
        await ears.end
        assert ears.lines == [b"done"]
        assert len(child._stderr) <= children.STDERR_KEPT  # pyright: ignore[reportPrivateUsage]
        assert child.last_words() == "noise"


async def test_a_hundred_starts_and_stops_leave_nothing_behind() -> None:
    async def once() -> None:
        async with python("sys.stdin.read()"):
            pass

    for _ in range(5):
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(once())


@given(lines=st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line)), data=st.data())
def test_however_output_is_cut_into_pieces_the_lines_are_the_same(lines: list[bytes], data: st.DataObject) -> None:
    heard: list[bytes] = []

    async def main() -> None:
        child = Child(heard.append, lambda _reason: None, frozenset())
        stream = b"".join(line + b"\n" for line in lines)
        while stream:
            cut = data.draw(st.integers(1, len(stream)))
            child.pipe_data_received(1, stream[:cut])
            stream = stream[cut:]

    asyncio.run(main())
    assert heard == [line for line in lines if line and not line.isspace()]


def test_a_target_shows_no_secret() -> None:
    assert SECRET not in repr(hostile())
