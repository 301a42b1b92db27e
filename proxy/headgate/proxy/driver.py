"""Where the machine meets the event loop: its commands become tasks, what becomes of them its events.

A batch is not run by whoever asked for it: it lives in a task group that outlives the request, so that a reply may
go out before all has ended.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from headgate.proxy.attempt import Attempt, CallPath
from headgate.proxy.capacity import Capacity
from headgate.proxy.client import Client
from headgate.proxy.connection import CallFailedError
from headgate.proxy.direct import Begin, Direct, begin_nothing, broken
from headgate.proxy.queued import awaited, queued
from headgate.tools.cut_short import Queued, not_sent
from headgate.tools.filling import CheckArguments
from headgate.tools.keys import item_key
from headgate.tools.outcome import Answer, Failure, Outcome
from headgate.tools.plan import Plan, Step
from headgate.tools.result import read_result
from headgate.tools.rules import ToolClass
from headgate.tools.schedule import Cancel, Cancelled, Command, Ended, Event, Expired, Schedule, Start

logger = logging.getLogger(__name__)

_STUMBLED = "headgate could not go on with this batch; its log says why"

_READS = "a place among the reads of its batch that run at once"

_Key = tuple[int, int | None]
"""A call's position and, where it runs once for each of a list, the item's."""


class Driver:
    """One batch under way, or over: it is kept for as long as its results are."""

    __slots__ = (
        "_attempts",
        "_broken_off",
        "_deadline",
        "_ends_at",
        "_group",
        "_groups",
        "_loop",
        "_path",
        "_reads",
        "_schedule",
        "_under_way",
        "_waiting",
        "begin",
        "client",
        "ended_at",
        "on_progress",
        "plan",
        "started_at",
    )

    def __init__(self, plan: Plan, check_arguments: CheckArguments, path: CallPath, read_concurrency: int) -> None:
        """Nothing is sent before `start`."""
        self.plan = plan
        self.started_at = 0.0
        self.ended_at: float | None = None
        self.on_progress: Callable[[], None] | None = None
        """Told whenever calls have ended."""
        self.client: Client | None = None
        """Whom the upstreams of its calls may ask and tell something."""
        self.begin: Begin = begin_nothing
        """Has a read set out that need not wait for anything; whether it has."""
        self._loop = asyncio.get_running_loop()
        self._schedule = Schedule(plan, check_arguments)
        self._path = path
        self._reads = Capacity(read_concurrency, _READS) if _may_have_more(plan, read_concurrency) else None
        """Where no cap is needed there is none: every read would pay for it."""
        groups = plan.batch.groups
        self._groups = {it: _cap_of(it, group.concurrency) for it, group in groups.items()} if groups else {}
        self._under_way: dict[_Key, asyncio.Task[None] | Direct] = {}
        """What each call that has not ended can be cancelled by."""
        self._attempts: dict[_Key, Attempt] = {}
        """Those under way that are tasks, until the batch is over."""
        self._waiting: dict[Callable[[], None], asyncio.TimerHandle | None] = {}
        """Who is told of the end, and what tells them before it."""
        self._deadline: asyncio.TimerHandle | None = None
        self._ends_at: float | None = None
        self._group: asyncio.TaskGroup
        self._broken_off: tuple[Outcome | None, ...] | None = None
        """What became of each call when headgate stumbled over the batch, if it has."""

    @property
    def outcomes(self) -> tuple[Outcome | None, ...]:
        """What became of each call so far."""
        return self._schedule.outcomes if self._broken_off is None else self._broken_off

    @property
    def ended(self) -> int:
        """How many calls have ended."""
        return self._schedule.ended

    @property
    def done(self) -> bool:
        """Whether every call has ended."""
        return self._schedule.done or self._broken_off is not None

    def tell(self, told: Callable[[], None], within_s: float | None = None) -> None:
        """Call `told` once: when every call has ended, or after `within_s`. To be asked only while it is not `done`."""
        self._waiting[told] = None if within_s is None else self._loop.call_later(within_s, self._tell, told)

    def untell(self, told: Callable[[], None]) -> None:
        """Do not call it, if that has not happened yet."""
        timer = self._waiting.pop(told, None)
        if timer is not None:
            timer.cancel()

    def _tell(self, told: Callable[[], None]) -> None:
        self.untell(told)
        told()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until every call has ended, for `timeout_s` at most; whether that is so."""
        if not self.done:
            waiter: asyncio.Future[None] = self._loop.create_future()
            told = partial(_release, waiter)
            self.tell(told, timeout_s)
            try:
                await waiter
            finally:
                self.untell(told)
        return self.done

    def start(self, group: asyncio.TaskGroup) -> None:
        """Walk the plan to its end, each call a task of `group`."""
        self._group = group
        self.started_at = self._loop.time()
        if self.plan.batch.timeout_s is not None:
            self._ends_at = self.started_at + self.plan.batch.timeout_s
            self._deadline = self._loop.call_at(self._ends_at, self._expire)
        self._act(self._schedule.begin(self.started_at))
        self._note_progress()

    def cancel(self) -> None:
        """Start nothing more and end the reads in flight; a write in flight goes on to its end."""
        now = self._loop.time()
        self._handle(Cancelled(self._in_line(now)), now)

    def _expire(self) -> None:
        now = self._loop.time()
        self._handle(Expired(self._in_line(now)), now)

    def _in_line(self, now: float) -> dict[_Key, Queued]:
        """Which of the reads under way had to wait, in the moment that all of them end."""
        attempts = dict(self._attempts)
        for key, under_way in [*self._under_way.items()]:
            if isinstance(under_way, Direct):
                under_way.cancel()  # it knows only then whether any of it has been sent
                attempts[key] = under_way.attempt
        return {key: queued(attempt, now) for key, attempt in attempts.items()}

    def _handle(self, event: Event, now: float) -> None:
        if self.done:
            return
        try:
            self._act(self._schedule.handle(event, now))
            if self._schedule.over is not None and self._attempts:
                self._call_off(self._schedule.over)
            self._note_progress()
        except Exception:
            # Whoever told of this serves other batches too, and must not end with this one.
            logger.exception("a batch failed inside headgate")
            self._break_off(now)

    def _break_off(self, now: float) -> None:
        """Give up on a batch that headgate has stumbled over. Writes that have gone out go on to their end."""
        writes = {key: attempt for key, attempt in self._attempts.items() if attempt.tool.kind == "write"}
        unsent = {key: attempt for key, attempt in writes.items() if not attempt.sent}
        for attempt in unsent.values():
            attempt.withdrawn = True
        for key, under_way in [*self._under_way.items()]:
            if key in unsent or self.plan.steps[key[0]].kind == "read":
                under_way.cancel()
        kept = {index for (index, _), attempt in unsent.items() if not attempt.in_doubt}
        self._broken_off = tuple(
            outcome or Outcome(_abandoned(step.kind, sent=self._schedule.in_flight(index) and index not in kept), now)
            for index, (step, outcome) in enumerate(zip(self.plan.steps, self._schedule.outcomes, strict=True))
        )
        self._note_progress()

    def _call_off(self, why: Failure) -> None:
        """End the writes that still wait for their turn or a permit. The schedule takes them for sent."""
        attempts, self._attempts = self._attempts, {}
        for (index, item), attempt in attempts.items():
            if not attempt.sent and self._schedule.in_flight(index):
                attempt.withdrawn = True  # whatever carries it may be about to begin, and not hear of the end before
                self._under_way[index, item].cancel()
                now = self._loop.time()
                outcome = Outcome(_not_gone_out(attempt, why), now, queued_s=now - attempt.asked_at)
                self._act(self._schedule.handle(Ended(index, outcome, item), now))

    def _act(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Start(index, arguments, item):
                    self._start((index, item), self._attempt(index, arguments, item))
                case Cancel(index, item):
                    under_way = self._under_way.get((index, item))
                    if under_way is not None:  # the answer to a guess may be in, and wait to be judged
                        under_way.cancel()
                    self._attempts.pop((index, item), None)

    def _start(self, key: _Key, attempt: Attempt) -> None:
        """Have a call go out at once if nothing is in its way; else a task sees to it."""
        if attempt.tool.kind == "read":
            direct = Direct(attempt, partial(self._told, key))
            if self.begin(direct):
                self._under_way[key] = direct
                return
        self._attempts[key] = attempt
        self._under_way[key] = self._group.create_task(self._send(key, attempt))

    def _told(self, key: _Key, direct: Direct) -> None:
        """Take note of the end of a read that went out at once, or have a task go on with it."""
        if direct.state == "called off":
            return
        attempt = direct.attempt
        if direct.state == "unsettled":
            attempt.first = direct
            self._attempts[key] = attempt
            task = self._under_way[key] = self._group.create_task(self._send(key, attempt))
            task.add_done_callback(direct.leave)
            return
        failure = direct.failure
        self._end(key, attempt, self._read(attempt, direct.answer) if failure is None else failure.failure("read"))

    def _note_progress(self) -> None:
        if self.done:
            self.ended_at = self._loop.time() if self.ended_at is None else self.ended_at
            self.client = None
            if self._deadline is not None:
                self._deadline.cancel()
            for told in [*self._waiting]:
                self._tell(told)
        if self.on_progress is not None:
            self.on_progress()

    def _attempt(self, index: int, arguments: Mapping[str, Any], item: int | None) -> Attempt:
        step = self.plan.steps[index]
        if step.tool is None:
            raise RuntimeError(f"the schedule started call {index}, which has no tool")
        own, configured = step.call.timeout_s, step.tool.rules.timeout_s
        return Attempt(
            step.tool,
            arguments,
            configured if own is None else min(own, configured),
            self._caps_of(step),
            self._loop.time(),
            deadline=self._ends_at,
            client=self.client,
            key=None if step.call.idempotency_key is None else item_key(step.call.idempotency_key, item),
            asker=self,
        )

    def _caps_of(self, step: Step) -> tuple[Capacity, ...]:
        """The caps of this batch that a call is under."""
        group = None if step.call.parallel_group is None else self._groups.get(step.call.parallel_group)
        caps = () if group is None else (group,)
        return caps if self._reads is None or step.kind == "write" else (self._reads, *caps)

    async def _send(self, key: _Key, attempt: Attempt) -> None:
        result = await self._result_of(attempt)
        self._attempts.pop(key, None)
        self._end(key, attempt, result)

    def _end(self, key: _Key, attempt: Attempt, result: Answer | Failure) -> None:
        self._under_way.pop(key, None)
        index, item = key
        now = self._loop.time()
        outcome = Outcome(
            result,
            now,
            attempt.started_at,
            attempt.queued_s,
            coalesced=attempt.coalesced,
            attempts=attempt.attempts,
            replayed=attempt.replayed,
        )
        self._handle(Ended(index, outcome, item), now)

    async def _result_of(self, attempt: Attempt) -> Answer | Failure:
        try:
            return read_result(await self._path(attempt))
        except CallFailedError as failed:
            return failed.failure(attempt.tool.kind)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this call: something that it waited for was.
            ended = CallFailedError("UPSTREAM_ERROR", "the upstream's session has ended", sent=attempt.sent)
            return ended.failure(attempt.tool.kind)
        except Exception:
            logger.exception("a call of %s failed inside headgate", attempt.tool.qualified)
            return broken(attempt).failure(attempt.tool.kind)

    @staticmethod
    def _read(attempt: Attempt, answer: Mapping[str, Any]) -> Answer | Failure:
        try:
            return read_result(answer)
        except Exception:
            logger.exception("a call of %s failed inside headgate", attempt.tool.qualified)
            return broken(attempt).failure(attempt.tool.kind)


def _abandoned(kind: ToolClass, *, sent: bool) -> Failure:
    """What is told of a call of a batch that headgate has stumbled over."""
    if not sent:
        return Failure("skipped", "CANCELLED", f"not sent: {_STUMBLED}")
    return CallFailedError("UPSTREAM_ERROR", _STUMBLED, sent=True).failure(kind)


def _not_gone_out(attempt: Attempt, why: Failure) -> Failure:
    """What is told of a write that is called off before it goes out, be it once more."""
    if attempt.in_doubt:
        return CallFailedError("UPSTREAM_ERROR", "the batch was over before it could be made again", sent=True).failure(
            "write"
        )
    waits_for = awaited(attempt)
    return why if waits_for is None else not_sent(why, waits_for)


def _may_have_more(plan: Plan, calls: int) -> bool:
    """Whether more than so many calls may be under way at once."""
    if len(plan.steps) > calls:
        return True
    for step in plan.steps:  # noqa: SIM110 - a generator costs each batch more than the question
        if step.asked is not None and step.asked.each is not None:
            return True
    return False


def _cap_of(group: str, concurrency: int) -> Capacity:
    return Capacity(concurrency, f'a place in its parallel_group "{group}"')


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
