"""A schedule run against a simulated world: calls take time, answers come back in any order, a cap may hold calls."""

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from tests.tools.world import CATALOGUE, Asking, World, as_event

from headgate.tools.batch import Batch, parse_batch
from headgate.tools.cut_short import Queued
from headgate.tools.outcome import Answer, Failure, Outcome
from headgate.tools.plan import Plan, make_plan
from headgate.tools.schedule import Cancel, Cancelled, Command, Ended, Event, Expired, Schedule, Start


def planned(asking: Asking, *, one_by_one: bool = False, **options: Any) -> Plan:
    batch = parse_batch({"calls": [one.as_call() for one in asking.calls], **options}, max_calls=1_000)
    assert isinstance(batch, Batch), batch
    plan = make_plan(batch, CATALOGUE, World.check, serialize=asking.serialize, one_by_one=one_by_one)
    assert isinstance(plan, Plan), plan
    return plan


@dataclass(slots=True)
class Run:
    """What happened, and when."""

    asking: Asking
    schedule: Schedule
    world: World = field(default_factory=World)
    started_at: dict[int, float] = field(default_factory=dict[int, float])
    ended_at: dict[int, float] = field(default_factory=dict[int, float])
    log: list[tuple[Event | None, float, list[Command]]] = field(
        default_factory=list[tuple[Event | None, float, list[Command]]]
    )
    """Every event, when it came, and the commands that it brought about."""
    unsent: set[tuple[int, int | None]] = field(default_factory=set[tuple[int, int | None]])
    """The calls and items that had been told to start and were not sent when the batch was over."""


class _Simulation:
    def __init__(self, run: Run, capacity: int) -> None:
        self.run = run
        self._free = capacity
        self._queue: deque[Start] = deque()
        self._due: list[tuple[float, int, int, str]] = []
        self._sent: list[Start] = []
        self._answers: dict[int, Answer | Failure] = {}
        self._wanted: dict[tuple[int, int | None], Start] = {}

    def act(self, commands: list[Command], now: float) -> None:
        for command in commands:
            key = (command.index, command.item)
            match command:
                case Start(index):
                    assert key not in self._wanted, "a call was started twice"
                    self._wanted[key] = command
                    self.run.started_at.setdefault(index, now)
                    self._queue.append(command)
                case Cancel(index):
                    self._wanted.pop(key, None)  # an answer to a guess may be in already
                    self.run.ended_at[index] = now
        self._send(now)

    def _send(self, now: float) -> None:
        while self._queue and self._free:
            self._free -= 1
            self._sent.append(self._queue.popleft())
            self._later(now + self.run.asking.calls[self._sent[-1].index].reaches_s, "reaches", len(self._sent) - 1)

    def _in_line(self, now: float) -> dict[tuple[int, int | None], Queued]:
        """What a driver would say of the calls that wait for the cap."""
        waiting = [start for start in self._queue if self._wanted.get((start.index, start.item)) is start]
        self.run.unsent = {(start.index, start.item) for start in waiting}
        return {
            (start.index, start.item): Queued(now - self.run.started_at[start.index], "a permit") for start in waiting
        }

    def _later(self, at: float, what: str, number: int) -> None:
        heappush(self._due, (at, (number * 7919) % 101, number, what))

    def next(self, stop_at: float | None) -> tuple[Event | None, float]:
        """The next event for the schedule, and its time; `None` where something happened out of its sight."""
        assert self._due, "nothing is under way, and the batch has not ended"
        if stop_at is not None and self._due[0][0] >= stop_at:
            return Expired(self._in_line(stop_at)), stop_at
        now, _, number, what = heappop(self._due)
        start = self._sent[number]
        asked = self.run.asking.calls[start.index]
        if what == "reaches":
            self._answers[number] = as_event(self.run.world.make(asked, start.arguments))
            self._later(now + asked.returns_s, "returns", number)
            return None, now
        self._free += 1
        self._send(now)
        if self._wanted.get((start.index, start.item)) is not start:
            return None, now  # it was cancelled, and the driver heeds that
        del self._wanted[start.index, start.item]
        self.run.ended_at[start.index] = now
        outcome = Outcome(self._answers[number], now, self.run.started_at[start.index])
        return Ended(start.index, outcome, start.item), now


def simulate(
    asking: Asking, plan: Plan, *, capacity: int = 10_000, stop_at: float | None = None, cancel: bool = False
) -> Run:
    """Run `plan` to its end; at `stop_at` its deadline passes, or it is cancelled."""
    run = Run(asking, Schedule(plan, World.check))
    simulation = _Simulation(run, capacity)
    commands, now = run.schedule.begin(0), 0.0
    run.log.append((None, now, commands))
    simulation.act(commands, now)
    while not run.schedule.done:
        event, now = simulation.next(stop_at)
        if event is None:
            continue
        if isinstance(event, Expired):
            stop_at = None
            event = Cancelled(event.queued) if cancel else event
        commands = run.schedule.handle(event, now)
        run.log.append((event, now, commands))
        simulation.act(commands, now)
    return run
