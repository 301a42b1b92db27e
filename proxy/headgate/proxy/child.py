"""A child process that speaks in lines: started in a group of its own, watched, bounded, and surely ended."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from headgate.proxy import process as processes
from headgate.proxy.backpressure import LET_GO, PART, Allowance
from headgate.proxy.connection import MAX_ANSWER, UnavailableError
from headgate.proxy.input import Input, Slip
from headgate.proxy.output import Output, TooLong
from headgate.proxy.process import Process
from headgate.proxy.redact import redacted
from headgate.proxy.target import StdioTarget

MAX_LINE = MAX_ANSWER
MAX_UNREAD = 8_000_000
"""Bytes that may wait for a child to read what came before them."""
STDERR_KEPT = 64 * 1024
"""Bytes of a child's latest complaints that are kept, to say why it ended."""
WEDGED_S = 5.0
"""How long a child may leave what is written to it unread while it has nothing to do, as far as anybody waits for."""
LINES_A_TURN = 500
"""Answers that are taken in before everybody else has their turn on the event loop; of anything else, PART."""
_MUCH = 32 * 1024
"""Bytes that came at once, after which everybody else has their turn."""
_GRACE_S = 1.0
"""How long a child has to end after its input was closed, and again after SIGTERM."""
_LAST_WORDS_S = 0.2
"""How long output may still come after the process has ended; a grandchild may hold the pipe open for ever."""
_LONGEST_LAST_WORDS_S = 2.0
"""For how long output is taken in after that, if there is more than could be until then and an answer is awaited."""
_LAST_LOOK_S = 0.001
"""For how long a loop looks at its pipes once more: uvloop, if it was held up, looks at its clock before them."""
_MAX_WORDS = 300


class Listener(Protocol):
    """Whom a child tells what it says, and its end."""

    unasked: int
    """What weighs everything that came in and was no awaited answer: see `backpressure`."""

    @property
    def expects(self) -> bool:
        """Whether an answer is awaited."""
        ...

    def receive(self, line: bytes) -> None:
        """Take in a line."""
        ...

    def lose(self, line: TooLong) -> None:
        """Take in that a line was too long to be kept."""
        ...

    def close(self, reason: str) -> None:
        """Nothing more will come. Told once, with a reason that holds no secret."""
        ...

    def awaits(self, read_to: int) -> bool:
        """Whether a call is awaited that the child knows, if it has read so many bytes."""
        ...


class Child:
    """The process behind one stdio upstream."""

    def __init__(self, process: Process, listener: Listener, secrets: frozenset[str], max_line: int) -> None:
        """`listener` is told what the child says; `secrets` are kept out of the reason of its end."""
        self._process = process
        self._listener = listener
        self._secrets = secrets
        self._loop = asyncio.get_running_loop()
        self._input: Input
        self._output = Output(max_line)
        self._backlog: Iterator[bytes | TooLong] = iter(())
        self._open = {1, 2}
        """The outputs that it has not closed."""
        self._pipes: dict[int, asyncio.ReadTransport] = {}
        self._allowances = {1: Allowance(), 2: Allowance()}
        self._resting: set[int] = set()
        """The outputs that are not read for now."""
        self._talks = False
        """Whether it has said anything since that was last looked at."""
        self._stderr = bytearray()
        self._stderr_cut = False
        self._ended = False
        self._watch: asyncio.TimerHandle | None = None
        self._seen_reading = 0
        self.exited: asyncio.Future[None] = self._loop.create_future()

    async def attach(self) -> None:
        """Begin to listen and to watch; raises OSError where the system refuses."""
        self._input = Input(await processes.input_of(self._process), self._note_deafness)
        processes.when_ended(self._process, self._note_exit)
        for fd, pipe in ((1, self._process.stdout), (2, self._process.stderr)):
            transport, _ = await self._loop.connect_read_pipe(lambda fd=fd: _Pipe(self, fd), pipe)
            self._pipes[fd] = transport

    @property
    def listens(self) -> bool:
        """Whether what is written can still reach it."""
        return not self.exited.done() and not self._input.broken

    @property
    def unread(self) -> int:
        """Bytes that wait for the child to read what came before them."""
        return self._input.waiting

    def write(self, line: bytes) -> Slip:
        """Send one line, unless more than MAX_UNREAD wait to be read already."""
        if self._input.waiting > MAX_UNREAD:
            return Slip(line)
        if self._watch is None:
            self._watch = self._loop.call_later(WEDGED_S, self._look)
        return self._input.write(line)

    def take_back(self, slip: Slip) -> bool:
        """Whether a line could be kept from the child after all."""
        return self._input.take_back(slip)

    def _look(self) -> None:
        """End a child that has stopped reading.

        One that is busy with a call may well have no time to read; it has until nobody waits for that any more. One
        that has never read anything is still starting: for how long it may is for those to say who wait for that.
        """
        self._watch = None
        read_to = self._input.read_to()
        if self._ended or read_to == self._input.written:
            return
        if 0 < read_to == self._seen_reading and not self._listener.awaits(read_to):
            self._kill("it has stopped reading its input")
        else:
            self._seen_reading = read_to
            self._watch = self._loop.call_later(WEDGED_S, self._look)

    def heard(self, fd: int, data: bytes) -> None:
        """Take in a piece of output."""
        if fd == 2:
            self._keep_stderr(data)
            self._rest(fd, len(data) / LET_GO, partial(self._read_on, fd))
        else:
            self._talks = True
            self._backlog = self._output.feed(data)
            self._take_in(len(data) >= _MUCH)

    def _take_in(self, much: bool = True) -> None:  # noqa: FBT001, FBT002 - a timer's callback
        """Pass on what came, a part at a time: what floods us must not hold up others."""
        listener, output = self._listener, self._output
        unasked, let_go = listener.unasked, output.let_go
        done = self._pass_on(unasked + PART)
        if done and (endless := output.endless) is not None:
            self._pipes[1].pause_reading()
            listener.lose(endless)
            self._kill(f"it sent {endless.size // 1_000_000} MB without the end of a line")
            return
        weight = listener.unasked - unasked + (output.let_go - let_go) / LET_GO
        self._rest(1, weight, partial(self._read_on, 1) if done else self._take_in, much=much or not done)

    def _rest(self, fd: int, weight: float, go_on: Callable[[], None], *, much: bool = False) -> None:
        """Read nothing more of an output until everybody else had their turn, if it was much.

        If too much of it was unasked, so `weight`, their turn is longer. One that has ended will not say much more.
        """
        pause_s = 0.0
        if not self.exited.done():
            pause_s = self._allowances[fd].pause_s(weight, awaited=self._listener.expects)
        if much or pause_s:
            if not self._pipes[fd].is_closing():
                self._pipes[fd].pause_reading()
            self._resting.add(fd)
            self._loop.call_later(pause_s, go_on)

    def _read_on(self, fd: int) -> None:
        self._resting.discard(fd)
        if not self._pipes[fd].is_closing():
            self._pipes[fd].resume_reading()

    def _pass_on(self, until: int) -> bool:
        """Pass on what came, until so much of it was unasked; whether that was all."""
        listener = self._listener
        for count, line in enumerate(self._backlog, 1):
            if isinstance(line, bytes):
                listener.receive(line)
            else:
                listener.lose(line)
            if count == LINES_A_TURN or listener.unasked >= until:
                return False
        return True

    def _keep_stderr(self, data: bytes) -> None:
        self._stderr += data
        if len(self._stderr) > STDERR_KEPT:
            del self._stderr[:-STDERR_KEPT]
            self._stderr_cut = True

    def closed(self, fd: int) -> None:
        """A child that has closed its output will answer nothing more."""
        self._open.discard(fd)
        self._settle()

    def _note_exit(self) -> None:
        """Note that the process has ended."""
        if not self.exited.done():
            self.exited.set_result(None)
        self._settle()

    def _settle(self) -> None:
        """See whether this is the end, or will be: what it still said has time to arrive."""
        if self.exited.done() and not self._open:
            self._end()
        elif self.exited.done() or 1 not in self._open:
            self._look_again(self._loop.time() + _LONGEST_LAST_WORDS_S)

    def _look_again(self, until: float) -> None:
        self._talks = False
        self._loop.call_later(_LAST_WORDS_S, self._loop.call_later, _LAST_LOOK_S, self._end_if_silent, until)

    def _end_if_silent(self, until: float) -> None:
        """This is the end, unless an answer that is awaited may stand in what has been said and not been taken in."""
        talks = self._talks or 1 in self._resting
        if talks and not self._ended and self._listener.expects and self._loop.time() < until:
            self._look_again(until)
        else:
            self._end()

    def _note_deafness(self) -> None:
        """A child that has closed its input takes no call any more. Most often it is about to end by itself."""
        self._loop.call_later(_LAST_WORDS_S, self._end_deaf)

    def _end_deaf(self) -> None:
        if self._process.poll() is None:
            self._end("it has closed its input")

    def _kill(self, reason: str) -> None:
        self._end(reason)
        self._signal(signal.SIGKILL)

    def _end(self, reason: str | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        reason = reason or _how_it_ended(self._process.returncode)
        words = self.last_words()
        self._listener.close(f"{reason}: {words}" if words else reason)

    def last_words(self) -> str:
        """The last line that the child wrote to its stderr, without secrets."""
        said = redacted(self._stderr.decode(errors="replace"), self._secrets).strip()
        before, _, line = said.rpartition("\n")
        if self._stderr_cut and not before:
            # The line began before what is kept, and a secret may have been cut in two there.
            line = line[max(map(len, self._secrets), default=0) :]
        return line.strip()[:_MAX_WORDS]

    async def stop(self) -> None:
        """End the process and all that it started: input closed, then SIGTERM, then SIGKILL.

        Cancelled meanwhile, it goes to the last of these at once.
        """
        self._ended = True
        if self._watch is not None:
            self._watch.cancel()
        self._input.close()
        try:
            for force in (None, signal.SIGTERM, signal.SIGKILL):
                if force is not None:
                    self._signal(force)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(self.exited), _GRACE_S)
                    break
        finally:
            self._signal(signal.SIGKILL)
            for pipe in self._pipes.values():
                pipe.close()
            await asyncio.wait({self.exited}, timeout=_GRACE_S)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, number)


class _Pipe(asyncio.Protocol):
    """One of a child's outputs."""

    def __init__(self, child: Child, fd: int) -> None:
        self._child = child
        self._fd = fd

    def data_received(self, data: bytes) -> None:
        self._child.heard(self._fd, data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._child.closed(self._fd)


@asynccontextmanager
async def started(
    target: StdioTarget, listener: Listener, secrets: frozenset[str], max_line: int = MAX_LINE
) -> AsyncGenerator[Child]:
    """Run the process of `target` for as long as the context is open.

    Raises:
        UnavailableError: It could not be started.

    """
    try:
        process = processes.start((target.command, *target.args), _environment(target.env), target.cwd)
    except FileNotFoundError:
        raise UnavailableError(f"cannot start it: {_missing(target)} is not there") from None
    except OSError as broken:
        reason = broken.strerror or "the system refused"
        where = target.cwd is not None and broken.filename == target.cwd
        what = f'it in its folder "{target.cwd}"' if where else f'the command "{target.command}"'
        raise UnavailableError(f"cannot start {what}: {reason}") from None
    child = Child(process, listener, secrets, max_line)
    try:
        try:
            await child.attach()
        except OSError as broken:
            raise UnavailableError(f"cannot listen to it: {broken.strerror or 'the system refused'}") from None
        yield child
    finally:
        await child.stop()


def _missing(target: StdioTarget) -> str:
    if target.cwd is not None and not Path(target.cwd).is_dir():
        return f'its folder "{target.cwd}"'
    return f'the command "{target.command}"'


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "it closed its output"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with exit code {code}"


def _environment(added: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **added}
