"""The machine that walks a plan: events in, commands out, nothing awaited and no clock read.

Laws, each of them a property in the tests:

1. **Serial equivalence.** For any plan, any durations and any interleaving, the final state of what the calls
   touch, and every result, equal those of running the calls one by one in the plan's order.
2. Every call ends exactly once, and outcomes stand in the order of the request.
3. Same events, same commands.
4. Always progress: while something has not ended, something is in flight, or a timer is due.
5. Never two writes of one chain in flight; nothing starts before what it waits for has ended.
6. Nothing starts after the deadline, or after the batch was cancelled.
7. With capacity for all, the makespan is the critical path of the plan.

The calls of a recipe are calls of their own; the call of it sends nothing and ends with the last of them.
A call with `for_each` is one call to these laws: a fan (`fan.py`) decides about its items. A read that speculates is
sent at once with its defaults; its answer counts once the calls that it guesses about have ended and the guess was
right, else it is stopped, forgotten, and sent again.

Rate limits and concurrency caps are not here: a schedule lives for one batch, a limit belongs to an upstream.
Nor are retries or a call's own timeout: they belong to the way a call goes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from heapq import heappop, heappush
from typing import Any

from headgate.tools.cut_short import CANCELLED, EXPIRED, Queued, cut_short
from headgate.tools.fan import Fan
from headgate.tools.filling import CheckArguments, arguments_of
from headgate.tools.gather import gathered
from headgate.tools.guesses import Guesses, same_arguments
from headgate.tools.outcome import Answer, Failure, Outcome
from headgate.tools.plan import Plan, Step
from headgate.tools.scope import Scope


@dataclass(frozen=True, slots=True)
class Ended:
    """Event: the call at `index` has come to its end, now."""

    index: int
    outcome: Outcome
    item: int | None = None
    """Which item of its list, where it runs once for each."""


InLine = Mapping[tuple[int, int | None], Queued]
"""Which of the calls that were told to start had to wait, by their index and item."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Event: the batch's deadline has passed."""

    queued: InLine = field(default_factory=dict[tuple[int, int | None], Queued])


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Event: whoever asked for the batch has gone or has called it off."""

    queued: InLine = field(default_factory=dict[tuple[int, int | None], Queued])


Event = Ended | Expired | Cancelled


@dataclass(frozen=True, slots=True)
class Start:
    """Command: send the call at `index` with these arguments."""

    index: int
    arguments: Mapping[str, Any]
    item: int | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Command: whatever the call at `index`, a read in flight, would answer is not wanted; stop it and forget it."""

    index: int
    item: int | None = None


Command = Start | Cancel


class _State(Enum):
    WAITING = "waiting"
    IN_FLIGHT = "in flight"
    ENDED = "ended"


_NOBODY: InLine = {}


class Schedule:
    """One walk through one plan. `begin` once, then `handle` each event, until `done`."""

    __slots__ = (
        "_check_arguments",
        "_data",
        "_dependents",
        "_fans",
        "_guesses",
        "_halted",
        "_left",
        "_missing",
        "_outcomes",
        "_over",
        "_plan",
        "_ready",
        "_started_at",
        "_state",
        "_stopped_by",
        "_turn",
        "done",
    )

    def __init__(self, plan: Plan, check_arguments: CheckArguments) -> None:
        """Nothing starts before `begin`. `check_arguments` judges arguments whose references were filled in."""
        count = len(plan.steps)
        self.done = count == 0
        """Whether every call has ended."""
        self._plan = plan
        self._check_arguments = check_arguments
        self._state = [_State.WAITING] * count
        self._outcomes: list[Outcome | None] = [None] * count
        self._started_at: list[float | None] = [None] * count
        self._missing = [0] * count
        self._dependents: dict[int, list[int]] = {}
        self._data: dict[str, Any] = {}
        self._halted: dict[Scope, int] = {}
        self._turn = [0] * count
        self._ready: list[int] = []
        """A heap of the turns of calls that wait for nothing more."""
        self._stopped_by: str | None = None
        self._over: Failure | None = None
        self._left = count
        self._fans: dict[int, Fan] = {}
        self._guesses: Guesses | None = None
        self._line_up()

    def _line_up(self) -> None:
        """Find out who waits for whom."""
        for turn, index in enumerate(self._plan.order):
            step = self._plan.steps[index]
            self._turn[index] = turn
            if step.needs or step.after:
                self._missing[index] = len(step.needs) + len(step.after)
                for earlier in (*step.needs, *step.after):
                    self._dependents.setdefault(earlier, []).append(index)
            else:
                self._ready.append(turn)
            if step.guesses and self._guesses is None:
                self._guesses = Guesses(self._plan)

    @property
    def ended(self) -> int:
        """How many calls have ended."""
        return len(self._outcomes) - self._left

    @property
    def over(self) -> Failure | None:
        """Why nothing starts any more, where the batch was stopped."""
        return self._over

    @property
    def outcomes(self) -> tuple[Outcome | None, ...]:
        """What became of each call, in the order of the request; `None` for one that has not ended."""
        return tuple(self._outcomes)

    def in_flight(self, index: int) -> bool:
        """Whether the call at `index` has been sent and has not ended."""
        return self._state[index] is _State.IN_FLIGHT

    def begin(self, now: float) -> list[Command]:
        """Start what waits for nothing."""
        steps = self._plan.steps
        for index in self._plan.order:
            if _is_invalid(steps[index]):
                # Half of a batch's writes would be worse than none: whoever wrote the list believed in all of it.
                self._halted = {step.chain: index for step in steps if step.chain is not None}
                break
        return self._advance(now)

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take note of `event` and say what to do next. An event for a call that has ended changes nothing."""
        match event:
            case Ended(index, outcome, item):
                if self._state[index] is not _State.IN_FLIGHT:
                    return []
                return self._answered(index, outcome) if item is None else self._item_ended(index, item, outcome)
            case Expired(queued):
                return self._stop(EXPIRED, now, queued)
            case Cancelled(queued):
                return self._stop(CANCELLED, now, queued)

    def _answered(self, index: int, outcome: Outcome) -> list[Command]:
        """End a call, unless it has guessed and it is not known yet whether rightly."""
        if self._guesses is not None and self._guesses.open(index):
            self._guesses.hold(index, outcome)
            return []
        self._end(index, outcome)
        return self._advance(outcome.ended_at)

    def _item_ended(self, index: int, item: int, outcome: Outcome) -> list[Command]:
        """End one item of a call, and the call with its last."""
        fan = self._fans[index]
        further = fan.end(item, outcome)
        if self._over is not None and further:
            fan.skip_rest(self._over, outcome.ended_at)
        if not fan.done:
            return [Start(index, fan.arguments[following], following) for following in further]
        self._end(index, fan.outcome(self._plan.steps[index].call.id, outcome.ended_at))
        return self._advance(outcome.ended_at)

    def _advance(self, now: float) -> list[Command]:
        """Start or skip each call that is ready, and what that makes ready in turn, until a failure stops it all."""
        commands: list[Command] = []
        while self._stopped_by is None:
            settled = None if self._guesses is None else self._guesses.take_settled()
            if settled is not None:
                commands += self._settle(settled, now)
            elif self._ready:
                commands += self._begin_one(self._plan.order[heappop(self._ready)], now)
            else:
                break
        if self._stopped_by is not None and self._over is None:
            why = Failure("skipped", "CANCELLED", f'stopped because "{self._stopped_by}" failed')
            commands += self._stop(why, now)
        return commands

    def _begin_one(self, index: int, now: float) -> Sequence[Command]:
        """Start a call, or end it at once."""
        if self._state[index] is not _State.WAITING:
            return ()
        decision = self._decide(self._plan.steps[index])
        if isinstance(decision, Failure):
            self._end(index, Outcome(decision, now))
            return ()
        if self._guesses is not None and self._guesses.open(index):
            self._guesses.guess(index, decision[0])
        inside = self._plan.steps[index].inside
        if inside is not None and not inside.sends:
            self._end(index, Outcome(Answer(decision[0]), now))
            return ()
        return self._launch(index, decision, now)

    def _launch(self, index: int, arguments: Sequence[Mapping[str, Any]], now: float) -> Sequence[Command]:
        step = self._plan.steps[index]
        self._state[index] = _State.IN_FLIGHT
        self._started_at[index] = now
        if step.asked is None or step.asked.each is None:
            return (Start(index, arguments[0]),)
        fan = self._fans[index] = Fan(arguments, in_turn=step.kind == "write")
        if fan.done:
            self._end(index, fan.outcome(step.call.id, now))
        return [Start(index, arguments[item], item) for item in fan.first()]

    def _settle(self, index: int, now: float) -> Sequence[Command]:
        """Judge the guess of a read in flight, now that what it guessed about is known."""
        if self._guesses is None or self._state[index] is not _State.IN_FLIGHT:
            return ()
        guessed, held = self._guesses.close(index)
        decision = self._decide(self._plan.steps[index])
        if not isinstance(decision, Failure) and same_arguments(decision[0], guessed):
            if held is not None:
                self._end(index, held)
            return ()
        stop = () if held is not None else (Cancel(index),)
        if isinstance(decision, Failure):
            self._end(index, Outcome(decision, now))
            return stop
        return (*stop, *self._launch(index, decision, now))

    def _decide(self, step: Step) -> Sequence[Mapping[str, Any]] | Failure:
        """The arguments to start `step` with, for each item where it has items; or why it does not start."""
        if self._over is not None:
            return self._over
        if step.fault is not None:
            return step.fault
        for earlier in step.needs:
            if not self._ended_ok(earlier):
                return self._because_of(earlier)
        if step.chain is not None:
            halted_by = [by for chain, by in self._halted.items() if chain.meets(step.chain)]
            if halted_by:
                # The first in order, not in time: which of several chains broke first is chance.
                first = self._plan.steps[min(halted_by, key=self._turn.__getitem__)].call.id
                return Failure("skipped", "CHAIN_HALTED", f'not sent: the write "{first}" did not end ok')
        if step.asked is None:
            raise RuntimeError(f'"{step.call.id}" has no tool and no fault')
        if step.asked.template is None and step.asked.each is None:
            return (step.call.arguments,)
        return arguments_of(step.asked, self._data, self._check_arguments)

    def _because_of(self, failed: int) -> Failure:
        """The skip of a call that needs the failed one, naming the call that the trouble began with."""
        outcome = self._outcomes[failed]
        result = outcome.result if outcome else None
        if isinstance(result, Failure) and result.code == "DEPENDENCY_FAILED":
            return Failure("skipped", "DEPENDENCY_FAILED", result.message)
        code = result.code if isinstance(result, Failure) else ""
        return Failure(
            "skipped", "DEPENDENCY_FAILED", f'needs "{self._plan.steps[failed].call.id}", which ended {code}'
        )

    def _ended_ok(self, index: int) -> bool:
        outcome = self._outcomes[index]
        return outcome is not None and outcome.ok

    def _end(self, index: int, outcome: Outcome) -> None:
        """Record the end of a call; the calls that waited for nothing else are ready now."""
        self._state[index] = _State.ENDED
        self._outcomes[index] = outcome
        self._left -= 1
        self.done = self._left == 0
        step = self._plan.steps[index]
        if isinstance(outcome.result, Answer):
            self._data[step.call.id] = outcome.result.data
        else:
            if step.chain is not None:
                self._halted.setdefault(step.chain, index)
            if self._plan.batch.on_error == "stop" and outcome.result.status != "skipped":
                self._stopped_by = self._stopped_by or step.call.id
        if self._guesses is not None:
            self._guesses.know(index)
        for dependent in self._dependents.get(index, ()):
            self._missing[dependent] -= 1
            if self._missing[dependent] > 0:
                continue
            if self._plan.steps[dependent].gathers:
                self._gather(dependent, outcome.ended_at)
            else:
                heappush(self._ready, self._turn[dependent])

    def _gather(self, index: int, now: float) -> None:
        """End the call of a recipe with the last of its parts: it sends nothing, so nothing keeps it from ending."""
        entry = self._plan.entry_of(index)
        entered = None if entry is None else self._outcomes[entry]
        if entered is not None and not entered.ok:
            self._end(index, Outcome(entered.result, now))
            return
        parts: dict[str, Outcome] = {}
        for part in self._plan.parts_of(index):
            outcome = self._outcomes[part]
            if outcome is not None:
                parts[self._plan.steps[part].call.id.partition(".")[2]] = outcome
        self._end(index, gathered(parts, now))

    def _stop(self, why: Failure, now: float, queued: InLine = _NOBODY) -> list[Command]:
        """Start nothing more and end the reads in flight. A write in flight goes on: its outcome must be known."""
        self._over = self._over or why
        commands: list[Command] = []
        for index in self._plan.order:
            step = self._plan.steps[index]
            if self._state[index] is _State.WAITING and not step.gathers:
                self._end(index, Outcome(self._over, now))
            elif self._state[index] is _State.IN_FLIGHT and step.kind == "read":
                commands += self._cut_short(index, why, now, queued)
        return commands

    def _cut_short(self, index: int, why: Failure, now: float, queued: InLine) -> list[Command]:
        """End a read in flight, and those of its items that have not ended."""
        started_at = self._started_at[index]
        fan = self._fans.get(index)
        if fan is None:
            self._end(index, cut_short(why, now, started_at, queued.get((index, None))))
            return [Cancel(index)]
        unfinished = fan.unfinished
        for item in unfinished:
            fan.end(item, cut_short(why, now, started_at, queued.get((index, item))))
        self._end(index, fan.outcome(self._plan.steps[index].call.id, now))
        return [Cancel(index, item) for item in unfinished]


def _is_invalid(step: Step) -> bool:
    """Whether this is a write that the request itself is wrong about, rather than its upstream being away."""
    return step.kind == "write" and step.fault is not None and step.fault.code != "UPSTREAM_UNAVAILABLE"
