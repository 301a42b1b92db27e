"""One upstream: the replicas of it that there are, mostly one, and what callers see of them.

Callers never open anything: they wait for a replica's owner, each with a clock of its own.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from headgate.proxy.attempt import Attempt, CallPath
from headgate.proxy.client import patient
from headgate.proxy.connection import (
    CallFailedError,
    Connection,
    Open,
    SessionCameError,
    SessionGoneError,
    TakenBackError,
    UnavailableError,
)
from headgate.proxy.direct import Begin, Direct
from headgate.proxy.examine import examine
from headgate.proxy.journal.journaled import Writes
from headgate.proxy.limits import Limits
from headgate.proxy.passing import Passing
from headgate.proxy.path import call_path
from headgate.proxy.pins import Examined, Pins
from headgate.proxy.replica import Replica, State
from headgate.proxy.rounds import to_the_end
from headgate.proxy.session import SessionConnection
from headgate.tools.breaker import Circuit
from headgate.tools.catalogue import Listing
from headgate.tools.rules import UpstreamRules
from headgate.tools.trust import Concern

logger = logging.getLogger(__name__)

PROBE_S = 3.0
"""How long an upstream may take over its list of tools when it is only asked whether it is well again."""
RETIRING_S = 0.05
"""Seconds between two looks at whether what is to end is still needed."""
_BEST_FIRST: tuple[State, ...] = ("ready", "starting", "failed")


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """What there is to say of an upstream at one moment."""

    name: str
    state: State
    reason: str | None
    """Why it failed, or a part of its replicas, as a sentence without secrets."""
    tools: int
    ready_after_s: float | None
    """How long its latest opening took, up to the list of tools."""
    circuit: Circuit = "closed"
    """Whether calls are let through: not while they keep failing."""


class Upstream:
    """Run `run` in one task; `call` from any."""

    def __init__(  # noqa: PLR0913 - two of them are for those that outlive it
        self,
        name: str,
        rules: UpstreamRules,
        open_session: Open,
        changed: Callable[[], None],
        writes: Writes | None = None,
        pins: Pins | None = None,
        *,
        limits: Limits | None = None,
    ) -> None:
        """`changed` is told whenever the listing is another; `writes` writes down what changes something.

        `pins` know what the tools were, and `limits` what calls there have been; without any, that is known for as long
        as this lives.
        """
        self.name = name
        self.passing = Passing(name, lambda: self.rules, self._connected)
        self._pins = pins or Pins()
        self.rules = rules
        self._limits = limits or Limits(rules, name)
        self.durations = self._limits.durations
        way = call_path(self._limits, self._send, self._probe, writes, self._begin)
        self.call: CallPath = way
        self.begin: Begin = way.begin
        self._part = way.part
        self.calls = 0
        """Calls on their way, those that wait for a turn or a permit too; whoever uses `call` counts it."""
        self._replicas = self._replicas_of(open_session, rules.replicas)
        self._coming: list[Replica] = []
        """Those that are to take the place of `_replicas`."""
        self._owners: dict[Replica, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._changed = changed
        self._closing = False
        self._definitions: tuple[Mapping[str, Any], ...] = ()
        self._examined: tuple[Examined, ...] = ()
        self._concerns: Mapping[str, Concern] = {}
        """What speaks against tools that may have been planned with before it did."""
        self._known = asyncio.Event()
        self._verdict = asyncio.Event()
        """Set unless the next thing that a replica does decides whether there is one for calls."""

    @property
    def state(self) -> UpstreamState:
        """What there is to say right now."""
        states: set[State] = {replica.state for replica in self._replicas}
        state: State = next(state for state in _BEST_FIRST if state in states)
        times = [replica.ready_after_s for replica in self._replicas if replica.ready_after_s is not None]
        after_s = max(times, default=None)
        circuit = self._limits.circuit.breaker.state(asyncio.get_running_loop().time())
        return UpstreamState(self.name, state, self._reason(state), len(self._definitions), after_s, circuit)

    @property
    def listing(self) -> Listing:
        """What it offers. One that is down offers what it did when it was last up."""
        reason = "it has not come up yet" if self.first_opening else self._unavailable()
        self._concerns = self._pins.concerns(self.name, self._examined, self.rules)
        definitions = tuple(tool.definition for tool in self._examined)
        return Listing(self.name, self.rules, definitions, reason, self._concerns)

    @property
    def first_opening(self) -> bool:
        """Whether it has neither been ready nor failed yet."""
        return not self._known.is_set()

    async def settled(self) -> None:
        """Wait until it has been ready or has failed once."""
        await self._known.wait()

    def close(self) -> None:
        """Open no session any more."""
        self._closing = True
        for replica in (*self._replicas, *self._coming, *self._owners):
            replica.close()

    async def run(self) -> None:
        """Own the sessions, until closed and cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._own(tasks, (*self._replicas, *self._coming))

    def obey(self, rules: UpstreamRules) -> None:
        """Go by other rules from now on; calls under way and what limits have counted stay as they are."""
        self.rules = rules
        self._limits.obey(rules)
        if self._tasks is not None and not self._closing:
            self._tasks.create_task(self._look_again())

    def reopen(self, open_session: Open) -> None:
        """Go over to other sessions as soon as they are up, or have failed; calls under way end where they are."""
        for replica in self._coming:
            self._give_up(replica)
        self._coming = self._replicas_of(open_session, self.rules.replicas)
        if self._tasks is not None:
            self._own(self._tasks, self._coming)

    def _replicas_of(self, open_session: Open, count: int) -> list[Replica]:
        return [Replica(self.name, open_session, self._list, self._weigh, self.passing) for _ in range(count)]

    def _own(self, tasks: asyncio.TaskGroup, replicas: Iterable[Replica]) -> None:
        for replica in replicas:
            self._owners[replica] = tasks.create_task(replica.run())

    def _go_over(self, tasks: asyncio.TaskGroup) -> None:
        """Let the coming replicas take their place, and those that were there end once they are idle."""
        leaving, self._replicas, self._coming = self._replicas, self._coming, []
        self._limits.resume()
        self._part()  # what the sessions of before have read may be another server's, or for somebody else
        for replica in leaving:
            tasks.create_task(self._retire(replica))

    async def _retire(self, replica: Replica) -> None:
        while replica.in_flight:  # noqa: ASYNC110 - each call would pay for an event that hardly ever matters
            await asyncio.sleep(RETIRING_S)
        self._give_up(replica)

    def _give_up(self, replica: Replica) -> None:
        replica.close()
        owner = self._owners.pop(replica, None)
        if owner is not None:
            owner.cancel()

    async def _list(self, definitions: Sequence[Mapping[str, Any]]) -> None:
        rules: UpstreamRules | None = None
        while rules is not self.rules:
            rules = self.rules
            examined = await examine(definitions, rules)
            self._definitions, self._examined = tuple(definitions), examined

    async def _look_again(self) -> None:
        """Look by other rules at what is listed. What they admit is not offered before: it has to be pinned too."""
        definitions, rules = self._definitions, self.rules
        try:
            examined = await examine(definitions, rules)
        except Exception:
            logger.exception('upstream "%s" keeps the tools that it had', self.name)
            return
        if definitions is self._definitions and rules is self.rules and examined != self._examined:
            self._examined = examined
            self._changed()

    def _weigh(self) -> None:
        """See what the replicas' states mean to those who wait."""
        if self._tasks is not None and self._coming and all(each.state != "starting" for each in self._coming):
            self._go_over(self._tasks)
        state = self.state.state
        if state == "starting":
            self._verdict.clear()
            return
        self._known.set()
        self._verdict.set()
        self._changed()

    def _unavailable(self) -> str | None:
        """Why it cannot be called right now; `None` if it can."""
        if any(replica.connection is not None for replica in self._replicas):
            return None
        return self._reason("failed")

    def _reason(self, state: State) -> str | None:
        reasons = [replica.reason for replica in self._replicas if replica.reason is not None]
        if not reasons or state != "ready":
            return next(iter(reasons), None)
        return f"{len(reasons)} of {len(self._replicas)} replicas are not available: {reasons[0]}"

    async def _probe(self) -> None:
        """Find out whether it answers at all. Where there is no session, whoever calls will be told so."""
        ready = self._least_busy()
        if ready is None:
            return
        try:
            async with asyncio.timeout(PROBE_S):
                await ready[1].list_tools()
        except TimeoutError:
            raise UnavailableError(f"no answer to tools/list in {PROBE_S:g} s") from None

    async def _send(self, attempt: Attempt) -> Mapping[str, Any]:
        """Send a call, once there is a session; its own clock is running."""
        over = None if attempt.first is None else attempt.first.over
        replica, connection = over or self._least_busy() or await self._ready_for(attempt, spent=False)
        try:
            return await self._send_to(replica, connection, attempt)
        except SessionGoneError as gone:
            attempt.sent = False
            if self._closing:
                raise
            replica.turn_away_from(connection, str(gone))
        return await self._send_to(*await self._ready_for(attempt, spent=True), attempt)

    async def _ready_for(self, attempt: Attempt, *, spent: bool) -> tuple[Replica, Connection]:
        """Wait until there is a session for a call.

        Raises:
            SessionCameError: There is one now, and a limit of the rate at which calls may go out.

        """
        ready = await self._ready()
        if self._limits.of(attempt.tool)[1]:
            raise SessionCameError(spent=spent)
        return ready

    async def _send_to(self, replica: Replica, connection: Connection, attempt: Attempt) -> Mapping[str, Any]:
        if attempt.withdrawn:
            raise CallFailedError("UPSTREAM_UNAVAILABLE", "it was called off before it went out", sent=False)
        if self._concerns:
            self._reconsider(attempt)
        attempt.sent = True
        replica.in_flight += 1
        try:
            return self.passing.noted(await _sent_over(connection, attempt))
        except TakenBackError:
            attempt.sent = False
            raise asyncio.CancelledError from None
        finally:
            replica.in_flight -= 1

    def _reconsider(self, attempt: Attempt) -> None:
        """Look once more at a tool whose definition may have changed since its call was planned.

        Raises:
            CallFailedError: It is out of use by now.

        """
        tool, concern = attempt.tool, self._concerns.get(attempt.tool.name)
        if concern is None:
            return
        if concern.denies:
            raise CallFailedError("DENIED", concern.denial(tool.qualified), sent=False)
        if concern.doubts and tool.kind == "read" and tool.rules.kind is None:
            # It would be a write now. The call has its place among reads, but is not made twice.
            attempt.tool = replace(tool, rules=replace(tool.rules, retries=0))

    def _begin(self, direct: Direct) -> bool:
        """Send a call that is its tool and its arguments without waiting, if there is a session that can."""
        attempt = direct.attempt
        if self._concerns and attempt.tool.name in self._concerns:
            return False
        if attempt.meta is not None or attempt.headers is not None or attempt.input is not None:
            return False
        over = self._least_busy()
        if over is None or not over[1].begin(direct):
            return False
        direct.over = over
        over[0].in_flight += 1
        self.calls += 1
        direct.clear_away(partial(self._clear, direct))
        return True

    def _clear(self, direct: Direct) -> None:
        self.calls -= 1
        if direct.over is not None:
            direct.over[0].in_flight -= 1
        if direct.state == "answered":
            self.passing.noted(direct.answer)

    async def _connected(self) -> Connection:
        return (await self._ready())[1]

    async def _ready(self) -> tuple[Replica, Connection]:
        while True:
            ready = self._least_busy()
            if ready is not None:
                return ready
            if self._verdict.is_set():
                message = f'upstream "{self.name}" is not available: {self._unavailable()}'
                raise CallFailedError("UPSTREAM_UNAVAILABLE", message, sent=False)
            await self._verdict.wait()

    def _least_busy(self) -> tuple[Replica, Connection] | None:
        """The replica with the fewest calls among those that are ready, and its connection."""
        best: tuple[Replica, Connection] | None = None
        for replica in self._replicas:
            if replica.connection is not None and (best is None or replica.in_flight < best[0].in_flight):
                best = replica, replica.connection
        return best


async def _sent_over(connection: Connection, attempt: Attempt) -> Mapping[str, Any]:
    direct, attempt.first = attempt.first, None
    first = None if direct is None else direct.result()
    if attempt.client is not None and isinstance(connection, SessionConnection):
        client = patient(attempt.client, attempt)
        return await to_the_end(lambda more: connection.call_for(client, attempt, more), client, first)
    if first is not None:
        return first
    if attempt.meta is None and attempt.headers is None:
        return await connection.call_tool(attempt.tool.name, attempt.arguments)
    return await connection.call_tool(attempt.tool.name, attempt.arguments, meta=attempt.meta, headers=attempt.headers)
