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

Rate limits and concurrency caps are not here: a schedule lives for one batch, a limit belongs to an upstream.
Nor are retries or a call's own timeout: they belong to the way a call goes out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from headgate.tools.outcome import Answer, Failure, Outcome
from headgate.tools.plan import CheckArguments, Plan, Step
from headgate.tools.reference import Unresolved, fill
from headgate.tools.scope import Scope


@dataclass(frozen=True, slots=True)
class Ended:
    """Event: the call at `index` has come to its end."""

    index: int
    result: Answer | Failure
    started_at: float | None = None
    queued_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Expired:
    """Event: the batch's deadline has passed."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Event: whoever asked for the batch has gone or has called it off."""


Event = Ended | Expired | Cancelled


@dataclass(frozen=True, slots=True)
class Start:
    """Command: send the call at `index` with these arguments."""

    index: int
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Command: the call at `index`, a read in flight, has ended already; stop it and forget its answer."""

    index: int


Command = Start | Cancel


class _State(Enum):
    WAITING = "waiting"
    IN_FLIGHT = "in flight"
    ENDED = "ended"


_NOT_STARTED = {
    "CANCELLED": "cancelled before it started",
    "DEADLINE_EXCEEDED": "the batch's timeout passed before it started",
}


class Schedule:
    """One walk through one plan. `begin` once, then `handle` each event, until `done`."""

    def __init__(self, plan: Plan, check_arguments: CheckArguments) -> None:
        """Nothing starts before `begin`. `check_arguments` judges arguments whose references were filled in."""
        count = len(plan.steps)
        self._plan = plan
        self._check_arguments = check_arguments
        self._state = [_State.WAITING] * count
        self._outcomes: list[Outcome | None] = [None] * count
        self._sent_at: list[float | None] = [None] * count
        self._missing = [len(step.needs) + len(step.after) for step in plan.steps]
        self._dependents: list[list[int]] = [[] for _ in range(count)]
        self._data: dict[str, Any] = {}
        self._halted: dict[Scope, int] = {}
        self._turn = {index: turn for turn, index in enumerate(plan.order)}
        self._stopped_by: str | None = None
        self._over: Failure | None = None
        self._left = count
        for index in plan.order:
            step = plan.steps[index]
            for earlier in (*step.needs, *step.after):
                self._dependents[earlier].append(index)

    @property
    def done(self) -> bool:
        """Whether every call has ended."""
        return self._left == 0

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
        invalid = next((it for it in self._plan.order if steps[it].kind == "write" and _is_invalid(steps[it])), None)
        if invalid is not None:
            # Half of a batch's writes would be worse than none: whoever wrote the list believed in all of it.
            self._halted = {step.chain: invalid for step in steps if step.chain is not None}
        return self._advance([index for index in self._plan.order if self._missing[index] == 0], now)

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take note of `event` and say what to do next. An event for a call that has ended changes nothing."""
        match event:
            case Ended(index, result, started_at, queued_s):
                if self._state[index] is not _State.IN_FLIGHT:
                    return []
                ready = self._end(index, Outcome(result, now, started_at, queued_s))
                return self._advance(ready, now)
            case Expired():
                return self._stop(Failure("skipped", "DEADLINE_EXCEEDED", _NOT_STARTED["DEADLINE_EXCEEDED"]), now)
            case Cancelled():
                return self._stop(Failure("skipped", "CANCELLED", _NOT_STARTED["CANCELLED"]), now)

    def _advance(self, ready: list[int], now: float) -> list[Command]:
        """Start or skip each call of `ready`, and whatever that makes ready in turn, until a failure stops it all."""
        commands: list[Command] = []
        queue = ready[::-1]
        while queue and self._stopped_by is None:
            index = queue.pop()
            if self._state[index] is not _State.WAITING:
                continue
            decision = self._decide(self._plan.steps[index])
            if isinstance(decision, Failure):
                queue += self._end(index, Outcome(decision, now))[::-1]
            else:
                self._state[index] = _State.IN_FLIGHT
                self._sent_at[index] = now
                commands.append(Start(index, decision))
        if self._stopped_by is not None and self._over is None:
            why = Failure("skipped", "CANCELLED", f'stopped because "{self._stopped_by}" failed')
            commands += self._stop(why, now)
        return commands

    def _decide(self, step: Step) -> Mapping[str, Any] | Failure:
        """The arguments to start `step` with, or why it does not start."""
        if self._over is not None:
            return self._over
        if step.fault is not None:
            return step.fault
        failed = next((earlier for earlier in step.needs if not self._ended_ok(earlier)), None)
        if failed is not None:
            return self._because_of(failed)
        if step.chain is not None:
            halted_by = [by for chain, by in self._halted.items() if chain.meets(step.chain)]
            if halted_by:
                # The first in order, not in time: which of several chains broke first is chance.
                first = self._plan.steps[min(halted_by, key=self._turn.__getitem__)].call.id
                return Failure("skipped", "CHAIN_HALTED", f'not sent: the write "{first}" did not end ok')
        if step.template is None:
            return step.call.arguments
        filled = fill(step.template, self._data)
        if isinstance(filled, Unresolved):
            return Failure("error", "REFERENCE_NOT_FOUND", filled.message)
        wrong = self._check_arguments(step.tool, filled) if step.tool else None
        return Failure("error", "INVALID_ARGUMENTS", wrong) if wrong else filled

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

    def _end(self, index: int, outcome: Outcome) -> list[int]:
        """Record the end of a call; the calls that waited for nothing else are ready now."""
        self._state[index] = _State.ENDED
        self._outcomes[index] = outcome
        self._left -= 1
        step = self._plan.steps[index]
        if isinstance(outcome.result, Answer):
            self._data[step.call.id] = outcome.result.data
        else:
            if step.chain is not None:
                self._halted.setdefault(step.chain, index)
            if self._plan.batch.on_error == "stop" and outcome.result.status != "skipped":
                self._stopped_by = self._stopped_by or step.call.id
        ready: list[int] = []
        for dependent in self._dependents[index]:
            self._missing[dependent] -= 1
            if self._missing[dependent] == 0:
                ready.append(dependent)
        return ready

    def _stop(self, why: Failure, now: float) -> list[Command]:
        """Start nothing more and end the reads in flight. A write in flight goes on: its outcome must be known."""
        self._over = self._over or why
        commands: list[Command] = []
        for index in self._plan.order:
            if self._state[index] is _State.WAITING:
                self._end(index, Outcome(self._over, now))
            elif self._state[index] is _State.IN_FLIGHT and self._plan.steps[index].kind == "read":
                self._end(index, Outcome(_cut_short(why), now, self._sent_at[index]))
                commands.append(Cancel(index))
        return commands


def _is_invalid(step: Step) -> bool:
    """Whether the request itself is wrong about this call, rather than its upstream being away."""
    return step.fault is not None and step.fault.code != "UPSTREAM_UNAVAILABLE"


def _cut_short(why: Failure) -> Failure:
    """The end of a read in flight when the batch stops."""
    if why.code == "DEADLINE_EXCEEDED":
        return Failure("timeout", "TOOL_TIMEOUT", "no answer before the batch's timeout")
    return why
