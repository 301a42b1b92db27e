"""A child process: bounded, watched, and surely ended with all that it started."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from tests.proxy.loops import on_each_loop
from tests.proxy.misbehaving import SECRET, data_of, gone, hostile, opened
from tests.proxy.parts import turns
from tests.timings import SLACK_S

from headgate.proxy import backpressure
from headgate.proxy import child as children
from headgate.proxy.child import Child, started
from headgate.proxy.output import TooLong
from headgate.proxy.redact import secrets_in
from headgate.proxy.target import StdioTarget


class Ears:
    """What a child says, and how it ends."""

    expects = True
    asked = frozenset((b"answer",))
    """Lines that somebody waits for."""

    def __init__(self) -> None:
        self.unasked = 0
        self.lines: list[bytes] = []
        self.lost: list[TooLong] = []
        self.line = asyncio.Event()
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.knows_a_call_to = 0
        """How far it has to have read to know a call that is awaited."""

    def receive(self, line: bytes) -> None:
        self.unasked += line not in self.asked
        self.lines.append(line)
        self.line.set()

    def lose(self, line: TooLong) -> None:
        self.lost.append(line)
        self.line.set()

    def close(self, reason: str) -> None:
        self.end.set_result(reason)

    def awaits(self, read_to: int) -> bool:
        return 0 < self.knows_a_call_to <= read_to


@asynccontextmanager
async def python(code: str, max_line: int = children.MAX_LINE, **env: str) -> AsyncGenerator[tuple[Child, Ears]]:
    """A child that runs `code`."""
    ears = Ears()
    target = StdioTarget(sys.executable, ("-S", "-c", f"import os, sys, time, signal\n{code}"), env)
    async with asyncio.timeout(20), started(target, ears, secrets_in(env), max_line) as child:
        yield child, ears


def pid_of(child: Child) -> int:
    return child._process.pid  # pyright: ignore[reportPrivateUsage]


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


@on_each_loop
async def test_a_child_that_closes_its_output_will_answer_nothing_more() -> None:
    async with python("os.close(1); time.sleep(60)") as (_, ears):
        assert await ears.end == "it closed its output"


@on_each_loop
async def test_nothing_can_be_sent_to_a_child_that_has_ended() -> None:
    async with python("sys.stdin.readline()") as (child, ears):
        assert child.listens
        child.write(b"end")
        await ears.end
        assert not child.listens
        child.write(b"nobody reads this")


@on_each_loop
async def test_a_line_without_an_end_ends_the_child_and_fills_no_memory() -> None:
    async with python("while True: os.write(1, b'x' * 65536)", max_line=1_000_000) as (child, ears):
        assert await ears.end == "it sent 16 MB without the end of a line"
        await asyncio.shield(child.exited)
        assert child._output.held < 1_100_000  # pyright: ignore[reportPrivateUsage]
    assert ears.lines == []
    assert [lost.ended for lost in ears.lost] == [False]


@on_each_loop
async def test_a_line_that_is_too_long_but_ends_is_only_measured_and_the_child_lives() -> None:
    code = "os.write(1, b'one\\n' + b'{' + b'x' * 3_000_000 + b'}\\ntwo\\n'); time.sleep(60)"
    async with python(code, max_line=1_000_000) as (child, ears):
        while len(ears.lines) < 2:
            ears.line.clear()
            await ears.line.wait()
        assert ears.lines == [b"one", b"two"]
        [lost] = ears.lost
        assert (lost.size, lost.limit, lost.ended) == (3_000_002, 1_000_000, True)
        assert lost.head.startswith(b"{xxx")
        assert lost.tail.endswith(b"xxx}")
        assert child.listens


@on_each_loop
async def test_a_child_that_does_not_read_and_has_nothing_to_do_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "WEDGED_S", 0.1)
    async with python("os.read(0, 4); print('up', flush=True); time.sleep(60)") as (child, ears):
        child.write(b"one")
        await ears.line.wait()
        child.write(b"a line that stays in the pipe")
        assert await ears.end == "it has stopped reading its input"
        await asyncio.shield(child.exited)


@on_each_loop
async def test_a_child_that_starts_slowly_has_its_time_before_it_reads_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(children, "WEDGED_S", 0.05)
    async with python("time.sleep(0.5); print(sys.stdin.readline(), flush=True); time.sleep(60)") as (child, ears):
        child.write(b"a line that waits in the pipe")
        await ears.line.wait()
        assert ears.lines == [b"a line that waits in the pipe"]


@on_each_loop
async def test_a_child_that_is_busy_with_a_call_may_take_its_time_to_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "WEDGED_S", 0.05)
    code = "os.read(0, 4); print('up', flush=True); time.sleep(0.6); sys.stdin.read()"
    async with python(code) as (child, ears):
        ears.knows_a_call_to = 4
        child.write(b"one")
        await ears.line.wait()
        child.write(b"two")
        await asyncio.sleep(0.5)
        assert not ears.end.done()


@on_each_loop
async def test_lines_wait_in_order_for_a_child_that_reads_slowly_and_can_be_taken_back_until_they_are_begun() -> None:
    code = "sys.stdin.readline(); print('go', flush=True); time.sleep(0.3)\n"
    code += "for line in sys.stdin: print(line[0], len(line), flush=True)"
    async with python(code) as (child, ears):
        child.write(b"start")
        await ears.line.wait()
        slips = [child.write(letter * 100_000) for letter in (b"a", b"b", b"c", b"d")]
        await turns(3)
        assert [slip.begun for slip in slips] == [True, False, False, False]
        assert child.unread > 300_000
        assert not child.take_back(slips[0])
        assert child.take_back(slips[2])
        assert child.take_back(slips[2])
        while len(ears.lines) < 4:
            ears.line.clear()
            await ears.line.wait()
        assert ears.lines[1:] == [b"a 100001", b"b 100001", b"d 100001"]
        assert child.unread == 0
        assert [slip.end for slip in slips] == [6 + 100_001, 6 + 200_002, None, 6 + 300_003]


@on_each_loop
async def test_a_child_that_closes_its_input_is_sent_nothing_more() -> None:
    async with python("os.close(0); print('up', flush=True); time.sleep(60)") as (child, ears):
        await ears.line.wait()
        assert not child.write(b"nobody reads this").begun
        assert not child.listens


def hours_of_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is made to wait is not read any more in this test."""
    monkeypatch.setattr(backpressure, "PAUSE_S", 3600.0)
    monkeypatch.setattr(backpressure, "LONG_PAUSE_S", 3600.0)


@on_each_loop
async def test_of_a_flood_a_part_is_taken_in_and_nothing_more_is_read_before_the_pause_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hours_of_pauses(monkeypatch)
    async with python("while True: os.write(1, b'{\\n' * 30_000)") as (child, ears):
        await ears.line.wait()
        await asyncio.sleep(0.2)
        assert len(ears.lines) == backpressure.PART
        assert not child.exited.done()


@on_each_loop
@pytest.mark.parametrize("piece", ["b'x' * 60_000", "b'\\n' * 60_000"])
async def test_of_what_is_let_go_no_more_is_read_than_it_weighs(monkeypatch: pytest.MonkeyPatch, piece: str) -> None:
    hours_of_pauses(monkeypatch)
    async with python(f"os.write(1, b'up\\n')\nwhile True: os.write(1, {piece})", max_line=100_000) as (child, ears):
        output = child._output  # pyright: ignore[reportPrivateUsage]
        while output.let_go < backpressure.PART * backpressure.LET_GO:  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0.01)
        let_go = output.let_go
        await asyncio.sleep(0.2)
        assert output.let_go == let_go
        assert (ears.lines, ears.lost) == ([b"up"], [])
        assert not child.exited.done()


@on_each_loop
async def test_a_flood_on_stderr_is_read_a_part_at_a_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    hours_of_pauses(monkeypatch)
    piece = 10_000
    async with python(f"while True: os.write(2, b'x' * {piece}) and os.write(1, b'answer\\n')") as (_, ears):
        await asyncio.sleep(0.5)
        read = len(ears.lines) * piece
        assert 0 < read < backpressure.PART * backpressure.LET_GO + 200_000


@on_each_loop
async def test_however_many_answers_come_at_once_none_of_them_is_made_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    hours_of_pauses(monkeypatch)
    async with python("os.write(1, b'answer\\n' * 50_000); time.sleep(60)") as (_, ears):
        while len(ears.lines) < 50_000:
            ears.line.clear()
            await ears.line.wait()


@on_each_loop
async def test_between_parts_of_answers_everybody_else_has_their_turn() -> None:
    async with python("while True: os.write(1, b'answer\\n' * 10_000)") as (_, ears):
        await ears.line.wait()
        before = len(ears.lines)
        await turns(20)
        assert len(ears.lines) - before <= 21 * (children.LINES_A_TURN + 1)


@on_each_loop
async def test_what_a_child_that_has_ended_had_said_is_read_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    async with python("os.write(1, b'{\\n' * 499 + b'up\\n' * 20_000 + b'answer\\n')") as (child, ears):
        await asyncio.shield(child.exited)
        hours_of_pauses(monkeypatch)
        assert await ears.end == "it ended with exit code 0"
        assert ears.lines[-1] == b"answer"


@on_each_loop
async def test_a_child_that_ends_when_its_input_does_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_GRACE_S", 10)
    code = "print('up', flush=True); sys.stdin.read(); time.sleep(0.2); os.write(1, b'goodbye\\n')"
    async with python(code) as (_, ears):
        await ears.line.wait()
        started_at = time.monotonic()
    assert ears.lines == [b"up", b"goodbye"]
    assert time.monotonic() - started_at < 0.9 + SLACK_S


@on_each_loop
async def test_one_that_ignores_both_its_input_and_sigterm_is_gone_in_three_and_a_half_seconds() -> None:
    async with python("signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)") as (child, ears):
        await ears.line.wait()
        pid = pid_of(child)
        started_at = time.monotonic()
    await gone(pid, within_s=0.1 + SLACK_S)
    assert 1.9 < time.monotonic() - started_at < 3.5 + SLACK_S


@on_each_loop
@pytest.mark.parametrize("and_die", [False, True])
async def test_grandchildren_that_ignore_sigterm_end_with_the_child(*, and_die: bool) -> None:
    async with asyncio.timeout(20):
        async with opened() as connection:
            pids = await data_of(connection, "grandchild", holds=True, and_die=and_die)
        await gone(pids["pid"], pids["own"], within_s=0.5 + SLACK_S)


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
    await gone(*pids, within_s=0.5 + SLACK_S)


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


def test_a_target_shows_no_secret() -> None:
    assert SECRET not in repr(hostile())
