"""A read that goes out at once, and becomes a task only if it comes to grief.

Most reads wait for nothing on their way, and an answer is all that comes of them. A task for each, and in it a
coroutine for each wrapper of its way, cost more than all that those do. So such a read is *begun*: each wrapper does
its part in a plain function, and is told of the end. What is no plain end, a failure that may be worth another attempt
or an answer that asks for input, is left to the task that the read would else have been: it finds what came of the
first attempt in `Attempt.first`, and goes on from there.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from headgate.proxy.attempt import Attempt
from headgate.proxy.clocks import Clocks, Row
from headgate.proxy.connection import CallFailedError
from headgate.proxy.rounds import requires_input

if TYPE_CHECKING:
    from headgate.proxy.connection import Connection
    from headgate.proxy.flights import Flight, Key
    from headgate.proxy.replica import Replica

logger = logging.getLogger(__name__)

State = Literal["under way", "answered", "failed", "called off", "unsettled", "taken up"]
"""`failed` for good: its clock has ended. `unsettled` until a task goes on with what came and has `taken up` that."""

Told = Callable[["Direct"], None]
Begin = Callable[["Direct"], bool]
"""Does one wrapper's part and has the next one begin; whether the read is on its way. If not, nothing has happened."""


def begin_nothing(_direct: "Direct") -> bool:
    """Have every read be a task."""
    return False


def broken(attempt: Attempt) -> CallFailedError:
    """What is told of a call over which headgate itself has stumbled."""
    return CallFailedError("UPSTREAM_ERROR", "headgate could not make this call", sent=attempt.sent)


class Direct:
    """One read on its way without a task. Whoever carries it gives it the answer, as one would a future."""

    __slots__ = (
        "_call_off",
        "_clear",
        "_ends_at",
        "_explain",
        "_listeners",
        "_loop",
        "_raised",
        "_row",
        "_timer",
        "answer",
        "attempt",
        "began_at",
        "failure",
        "flight",
        "over",
        "state",
    )

    def __init__(self, attempt: Attempt, told: Told) -> None:
        """`told` is told of the end, after everybody else."""
        self.attempt = attempt
        self.state: State = "under way"
        self.answer: Mapping[str, Any] = {}
        self.failure: CallFailedError | None = None
        """Why it has failed for good."""
        self.flight: tuple[Key, Flight] | None = None
        """What identical reads wait for."""
        self.over: tuple[Replica, Connection] | None = None
        """Which session carries it."""
        self.began_at = 0.0
        """When its clock started, on the event loop's time."""
        self._loop = asyncio.get_running_loop()
        self._listeners = [told]
        self._clear: list[Callable[[], None]] = []
        self._raised: Exception | None = None
        self._explain: Callable[[Exception], CallFailedError]
        self._call_off: Callable[[], bool] | None = None
        self._row: Row | None = None
        self._timer: asyncio.TimerHandle | None = None
        """Its own, once it has been given more time than others have."""
        self._ends_at: float | None = None

    def tell(self, told: Told) -> None:
        """Tell a wrapper of the end, before those that are outside of it."""
        self._listeners.append(told)

    def untell(self) -> None:
        """Do not: what is inside of it could not begin."""
        self._listeners.pop()

    def clear_away(self, clear: Callable[[], None]) -> None:
        """Have something cleared away as soon as the upstream has answered, or nobody waits for that any more."""
        self._clear.append(clear)

    def carried(self, call_off: Callable[[], bool], explain: Callable[[Exception], CallFailedError]) -> None:
        """It has been sent. `call_off` gives up on the answer, and says whether the upstream has seen nothing of it.

        `explain` says what an error means that is given instead of an answer.
        """
        self._call_off = call_off
        self._explain = explain

    def start_clock(self, clocks: Clocks) -> None:
        """Let it end when its time is over."""
        attempt = self.attempt
        now = self.began_at = attempt.started_at = self._loop.time()
        attempt.sent = True
        attempt.clock = self
        self._ends_at = now + attempt.timeout_s
        self._row = clocks.start(self, now, attempt.timeout_s)

    def cancel(self) -> None:
        """Call it off. Nobody is told an outcome."""
        if self.state == "under way":
            self._give_up("called off")

    def take_up(self) -> None:
        """The task that goes on with it has begun: what there is to be given back is in its hands."""
        self.state = "taken up"

    def leave(self, _task: object) -> None:
        """The task that was to go on with it is over: clear up, if it was cancelled before it began."""
        if self.state == "unsettled":
            self._end("called off")

    def result(self) -> Mapping[str, Any]:
        """What came of it, for whoever goes on with it.

        Raises:
            CallFailedError: There is no result, and why.

        """
        if self._raised is not None:
            raise self._explain(self._raised)
        return self.answer

    # What a clock can do.

    def when(self) -> float | None:
        """When its clock ends it."""
        return self._ends_at

    def reschedule(self, when: float | None) -> None:
        """End it at another time, or not at all."""
        self._stop_clock()
        self._ends_at = when
        if when is not None and self.state == "under way":
            self._timer = self._loop.call_at(when, self.expire)

    def expire(self) -> None:
        """End it: its time is over."""
        if self.state == "under way":
            self._give_up("failed")

    def _stop_clock(self) -> None:
        if self._row is not None:
            self._row.stop(self)
            self._row = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What a future can do, as far as whoever carries it knows.

    def done(self) -> bool:
        """Whether it has ended."""
        return self.state != "under way"

    def set_result(self, result: Mapping[str, Any]) -> None:
        """Take the answer."""
        self.answer = result
        self._end("unsettled" if requires_input(result) else "answered")

    def set_exception(self, error: Exception) -> None:
        """Take what came instead."""
        self._raised = error
        self._end("unsettled")

    def _give_up(self, state: State) -> None:
        if self._call_off is not None and self._call_off():
            self.attempt.sent = False
        self._end(state)

    def _end(self, state: State) -> None:
        self.state = state
        self._stop_clock()
        listeners = self._listeners
        if state != "unsettled":
            self._let_go()
        try:
            while self._clear:
                self._clear.pop()()
            for told in reversed(listeners):
                told(self)
        except Exception:
            # Whoever carries this carries others too, and must not stumble with it; whoever asked must hear of an end.
            logger.exception("a call of %s failed inside headgate", self.attempt.tool.qualified)
            self._end_broken(listeners)

    def _end_broken(self, listeners: list[Told]) -> None:
        """Tell everybody of an end, whatever they have heard of it: no permit and nobody who waits may be left."""
        self.state = "failed"
        self.failure = broken(self.attempt)
        self._let_go()
        for rest in (*reversed(self._clear), *(partial(told, self) for told in reversed(listeners))):
            with suppress(Exception):
                rest()

    def _let_go(self) -> None:
        """Hold nobody who holds this: thousands of rings a second would be the garbage collector's to find."""
        self._listeners = []
        self._call_off = None
        self.attempt.clock = None
