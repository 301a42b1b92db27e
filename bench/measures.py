"""What is measured, and the race that measures it: every contestant in turn, round after round.

Turns are short and the order moves on by one each round, so that a busy moment of the machine falls on all alike. The
first round of each heat warms everything up and is thrown away. What fails is written down with its reason, and the
rest goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from contestants import DEFAULTS, Contestant, Ground, MissingError
from pipe_client import RequestRefusedError, ServerGoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sessions import Session

OPEN_TIMEOUT_S = 15.0
SAMPLE_TIMEOUT_S = 15.0
START_EXIT_GRACE_S = 0.2
STARTS = ("start", "start_and_call")


@dataclass(frozen=True)
class Row:
    """One row of the table: the same thing done by every contestant."""

    key: str
    title: str
    does: Literal["start", "start_and_call", "call", "batch"]
    size: int = 1
    wait_ms: int = 0
    as_it_comes: bool = False
    """Made with the contestant's default settings, where it has a variant with them."""

    @property
    def tool(self) -> str:
        """The upstream's tool that is called."""
        return "wait" if self.wait_ms else "noop"

    def arguments(self, n: int) -> dict[str, Any]:
        """Give one call its arguments: no two the same, so that none can be merged or cached."""
        return {"ms": self.wait_ms, "n": n} if self.wait_ms else {"n": n}


@dataclass(frozen=True)
class Turn:
    """What a contestant does when it is its turn: its rows one after the other, and that so many times."""

    rows: tuple[Row, ...]
    repeats: int


START = Row("start", "until `initialize` is answered", "start")
FIRST_CALL = Row("first_call", "until a first call is answered", "start_and_call")
FANS = tuple(Row(f"fan{n}", f"{n} read{'s' * (n > 1)} of 100 ms", "batch", n, 100) for n in (1, 5, 20, 50))
FAN_DEFAULT = Row("fan50_default", "50 reads of 100 ms, default caps", "batch", 50, 100, as_it_comes=True)
CALL = Row("call", "passed through", "call")
CALL_AFTER = Row("call_after", "passed through, after large replies", "call")
BATCHES = tuple(Row(f"batch{n}", f"batches of {n:,}", "batch", n) for n in (1, 10, 100, 1000))

HEATS = (
    (Turn((CALL, BATCHES[0]), 40),),  # by turns, since their ratio is what is asked
    (
        Turn((START, FIRST_CALL), 1),
        *(Turn((fan,), 2) for fan in FANS),
        Turn((FAN_DEFAULT,), 1),
        *(Turn((batch,), repeats) for batch, repeats in zip(BATCHES[1:], (20, 8, 1), strict=True)),
        Turn((CALL_AFTER,), 40),
    ),
)
"""Single calls come first, while nobody has read a large reply.

asyncio reads 256 KiB at a time. For a block of that size glibc asks the system at each read and then gives it back,
until a larger one has been freed: from then on it keeps them. That halves what a call made straight takes, so single
calls are measured again once all have had large replies.
"""


class WrongAnswerError(Exception):
    """A reply that does not hold exactly the answers to the calls that were made."""


class OutError(Exception):
    """A contestant that could not be started before, and is not tried again."""


@dataclass
class Figures:
    """Seconds by contestant and row, and the reason where there are none."""

    samples: dict[tuple[str, str], list[float]] = field(default_factory=dict[tuple[str, str], list[float]])
    reasons: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    rounds: int = 0

    def median_ms(self, contestant: str, row: str) -> float | None:
        """Give the median, or None where the row failed or was not run."""
        times = self.samples.get((contestant, row))
        return statistics.median(times) * 1000 if times and (contestant, row) not in self.reasons else None


class Race:
    """Runs the rounds over sessions that stay open from round to round."""

    def __init__(self, ground: Ground, contestants: Sequence[Contestant], notice: Callable[[str], None]) -> None:
        self.figures = Figures()
        self._ground = ground
        self._contestants = list(contestants)
        self._notice = notice
        self._numbers = itertools.count(1)
        self._sessions: dict[str, tuple[Session, contextlib.AsyncExitStack]] = {}
        self._out: dict[str, str] = {}

    async def run(self, rounds: int, budget_s: float) -> Figures:
        """Run the heats, each with a warm-up, and with fewer rounds if time runs out."""
        ends = time.monotonic() + budget_s
        try:
            for number, turns in enumerate(HEATS, 1):
                await self._heat(f"heat {number} of {len(HEATS)}", turns, rounds, ends)
        finally:
            for name in tuple(self._sessions):
                await self._close(name)
        return self.figures

    async def _heat(self, title: str, turns: Sequence[Turn], rounds: int, ends: float) -> None:
        counted = {**self.figures.samples}
        await self._round(f"{title}: warm-up", turns)
        self.figures.samples = counted
        for number in range(1, rounds + 1):
            began = time.monotonic()
            await self._round(f"{title}: round {number} of {rounds}", turns)
            self.figures.rounds = number
            now = time.monotonic()
            if now + (now - began) > ends:
                break

    async def _round(self, title: str, turns: Sequence[Turn]) -> None:
        self._notice(title)
        for turn in turns:
            for contestant in self._contestants:
                await self._take(turn, contestant)
        self._contestants.append(self._contestants.pop(0))

    async def _take(self, turn: Turn, contestant: Contestant) -> None:
        for row in itertools.chain.from_iterable(itertools.repeat(turn.rows, turn.repeats)):
            runner = DEFAULTS.get(contestant.name) if row.as_it_comes else contestant
            place = (contestant.name, row.key)
            if runner is None or place in self.figures.reasons:
                continue
            try:
                took = await self._sample(row, runner)
            except Exception as failure:  # noqa: BLE001 - a contestant's failure, whatever it is, is a cell of the table
                reason = self.figures.reasons[place] = _reason(failure, self._ground.log(runner.name))
                if runner.name not in self._sessions or row.does in STARTS:
                    self._out[runner.name] = reason
                await self._close(runner.name)
            else:
                self.figures.samples.setdefault(place, []).append(took)

    async def _sample(self, row: Row, runner: Contestant) -> float:
        if runner.name in self._out:
            raise OutError(self._out[runner.name])
        if row.does in STARTS:
            return await self._sample_start(row, runner)
        session = await self._session(runner)
        numbers = [next(self._numbers) for _ in range(row.size)]
        each = [row.arguments(n) for n in numbers]
        async with asyncio.timeout(SAMPLE_TIMEOUT_S):
            began = time.perf_counter()
            if row.does == "call":
                reply = await session.call(row.tool, each[0])
            else:
                reply = await session.batch(row.tool, each)
            took = time.perf_counter() - began
        _check(session, row, reply, numbers)
        return took

    async def _sample_start(self, row: Row, runner: Contestant) -> float:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            began = time.perf_counter()
            client = await runner.start(self._ground)
            try:
                if row.does == "start_and_call":
                    session = runner.speak(client)
                    session.read_call(await session.call(row.tool, row.arguments(0)))
                return time.perf_counter() - began
            finally:
                await client.close(START_EXIT_GRACE_S)

    async def _session(self, runner: Contestant) -> Session:
        if runner.name not in self._sessions:
            stack = contextlib.AsyncExitStack()
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                session = await stack.enter_async_context(runner.open(self._ground))
            self._sessions[runner.name] = (session, stack)
        return self._sessions[runner.name][0]

    async def _close(self, name: str) -> None:
        if name in self._sessions:
            _, stack = self._sessions.pop(name)
            with contextlib.suppress(Exception):
                await stack.aclose()


def _check(session: Session, row: Row, reply: Any, numbers: list[int]) -> None:
    try:
        got = [session.read_call(reply)] if row.does == "call" else session.read_batch(reply)
    except (KeyError, TypeError, IndexError) as gap:
        raise WrongAnswerError(f"not the answers: {str(reply)[:160]}") from gap
    if got != numbers:
        raise WrongAnswerError(f"{len(numbers)} calls made, but the reply holds other answers")


def _reason(failure: Exception, log: Path) -> str:
    if isinstance(failure, TimeoutError):
        return "no answer in time"
    if isinstance(failure, ServerGoneError):
        said = log.read_text(errors="replace").split("\n")
        return f"{failure}; its last words: {next(filter(None, reversed(said)), 'none')[:160]}"
    if isinstance(failure, MissingError | OutError | RequestRefusedError | WrongAnswerError):
        return str(failure)
    return f"{type(failure).__name__}: {failure}"
