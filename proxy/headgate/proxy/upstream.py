"""One upstream: the task that owns its session, and what callers see of it.

The owner opens the session, lists the tools, waits for its end and opens it again, waiting longer each time that it
does not hold. Callers never open anything: they wait for the owner, each with a clock of its own.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from headgate.proxy.attempt import Attempt, CallPath
from headgate.proxy.connection import (
    CallFailedError,
    Connection,
    Open,
    Opening,
    SessionGoneError,
    TakenBackError,
    UnavailableError,
)
from headgate.proxy.examine import concerns_about
from headgate.proxy.limits import Limits
from headgate.proxy.path import call_path
from headgate.tools.breaker import Circuit
from headgate.tools.catalogue import Listing
from headgate.tools.rules import UpstreamRules
from headgate.tools.trust import Concern

logger = logging.getLogger(__name__)

LIST_S = 20.0
"""How long an upstream may take over its list of tools before it counts as failed."""
PROBE_S = 3.0
"""And when it is only asked whether it is well again."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 30.0
_HELD_S = 30.0
"""A session that held this long has shown that the upstream works: the next wait is short again."""

_PATIENCE_S = 0.5
"""If a session that worked is gone and the next opening is due this soon, calls wait for it."""

State = Literal["starting", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """What there is to say of an upstream at one moment."""

    name: str
    state: State
    reason: str | None
    """Why it failed, as a sentence without secrets."""
    tools: int
    ready_after_s: float | None
    """How long its latest opening took, up to the list of tools."""
    circuit: Circuit = "closed"
    """Whether calls are let through: not while they keep failing."""


class Upstream:
    """Run `run` in one task; `call` from any."""

    def __init__(self, name: str, rules: UpstreamRules, open_session: Open, changed: Callable[[], None]) -> None:
        """`changed` is told whenever the listing is another."""
        self.name = name
        self.rules = rules
        self._limits = Limits(rules, name)
        self.durations = self._limits.durations
        self.call: CallPath = call_path(self._limits, self._send, self._probe)
        self._open = open_session
        self._changed = changed
        self._connection: Connection | None = None
        self._definitions: tuple[Mapping[str, Any], ...] = ()
        self._concerns: Mapping[str, Concern] = {}
        self._state: State = "starting"
        self._reason: str | None = None
        self._ready_after_s: float | None = None
        self._known = asyncio.Event()
        self._verdict = asyncio.Event()
        self._stale = asyncio.Event()
        self._closing = False
        self._listed = False
        """Whether the session that is open, or was last, has come as far as its list of tools."""

    @property
    def state(self) -> UpstreamState:
        """What there is to say right now."""
        circuit = self._limits.circuit.breaker.state(asyncio.get_running_loop().time())
        count = len(self._definitions)
        return UpstreamState(self.name, self._state, self._reason, count, self._ready_after_s, circuit)

    @property
    def listing(self) -> Listing:
        """What it offers. One that is down offers what it did when it was last up."""
        reason = "it has not come up yet" if self.first_opening else self._reason
        return Listing(self.name, self.rules, self._definitions, reason, self._concerns)

    @property
    def first_opening(self) -> bool:
        """Whether it has neither been ready nor failed yet."""
        return not self._known.is_set()

    async def settled(self) -> None:
        """Wait until it has been ready or has failed once."""
        await self._known.wait()

    def close(self) -> None:
        """Open no session any more. A session that breaks at that moment can swallow its owner's cancellation."""
        self._closing = True

    async def run(self) -> None:
        """Own the session, until closed and cancelled."""
        loop = asyncio.get_running_loop()
        wait_s = _FIRST_WAIT_S
        while True:
            opened_at = loop.time()
            self._listed = False
            reason = await self._one_session(opened_at)
            if self._closing:
                return
            was_ready = self._listed
            held = was_ready and loop.time() - opened_at > _HELD_S
            wait_s = _FIRST_WAIT_S if held else min(wait_s * 2, _LONGEST_WAIT_S)
            self._connection = None
            if was_ready and wait_s <= _PATIENCE_S:
                self._reopen(reason)
            else:
                self._become("failed", reason)
            logger.warning('upstream "%s" is not available: %s', self.name, reason)
            # Jitter, so that upstreams that went down together are not all opened at the same instant.
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - not about security
            self._reopen(reason)

    async def _one_session(self, opened_at: float) -> str:
        """Open a session and keep its listing current; the reason of its end."""
        try:
            async with self._open(Opening(self.name, self._stale.set)) as connection:
                await self._list(connection)
                self._listed = True
                self._ready_after_s = asyncio.get_running_loop().time() - opened_at
                self._connection = connection
                self._become("ready", None)
                return await self._until_closed(connection)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return "its session was cancelled"
        except Exception as broken:  # noqa: BLE001 - whatever it is, it is this upstream's and stays with it
            return reason_of(broken)

    async def _until_closed(self, connection: Connection) -> str:
        """Wait for the end of the session; list again whenever the upstream says that its tools have changed."""
        async with asyncio.TaskGroup() as tasks:
            relisting = tasks.create_task(self._relist(connection))
            reason = await connection.closed()
            relisting.cancel()
        return reason

    async def _relist(self, connection: Connection) -> None:
        while True:
            await self._stale.wait()
            with suppress(UnavailableError, CallFailedError):
                await self._list(connection)
                self._changed()

    async def _list(self, connection: Connection) -> None:
        self._stale.clear()
        try:
            async with asyncio.timeout(LIST_S):
                definitions = tuple(await connection.list_tools())
                self._concerns = await concerns_about(definitions, self.rules)
                self._definitions = definitions
        except TimeoutError:
            raise UnavailableError(f"no answer to tools/list in {LIST_S:g} s") from None

    def _reopen(self, reason: str) -> None:
        """Let calls wait for the verdict of the next opening."""
        self._verdict.clear()
        self._state = "starting"
        self._reason = reason

    def _become(self, state: State, reason: str | None) -> None:
        self._state = state
        self._reason = reason
        self._known.set()
        self._verdict.set()
        self._changed()

    async def _probe(self) -> None:
        """Find out whether it answers at all. Where there is no session, whoever calls will be told so."""
        if self._connection is None:
            return
        try:
            async with asyncio.timeout(PROBE_S):
                await self._connection.list_tools()
        except TimeoutError:
            raise UnavailableError(f"no answer to tools/list in {PROBE_S:g} s") from None

    async def _send(self, attempt: Attempt) -> Mapping[str, Any]:
        """Send a call, once there is a session; its own clock is running."""
        connection = await self._ready()
        attempt.sent = True
        try:
            return await _sent_over(connection, attempt)
        except SessionGoneError as gone:
            attempt.sent = False
            self._turn_away_from(connection, str(gone))
        connection = await self._ready()
        attempt.sent = True
        return await _sent_over(connection, attempt)

    async def _ready(self) -> Connection:
        while self._connection is None:
            if self._state == "failed":
                message = f'upstream "{self.name}" is not available: {self._reason}'
                raise CallFailedError("UPSTREAM_UNAVAILABLE", message, sent=False)
            await self._verdict.wait()
        return self._connection

    def _turn_away_from(self, connection: Connection, reason: str) -> None:
        """Send no more calls over a session that is about to end: they wait for the next one."""
        if self._connection is connection:
            self._connection = None
            self._reopen(reason)


async def _sent_over(connection: Connection, attempt: Attempt) -> Mapping[str, Any]:
    try:
        return await _called(connection, attempt)
    except TakenBackError:
        attempt.sent = False
        raise asyncio.CancelledError from None


async def _called(connection: Connection, attempt: Attempt) -> Mapping[str, Any]:
    if attempt.meta is None and attempt.headers is None:
        return await connection.call_tool(attempt.tool.name, attempt.arguments)
    return await connection.call_tool(attempt.tool.name, attempt.arguments, meta=attempt.meta, headers=attempt.headers)


def reason_of(broken: BaseException) -> str:
    """The sentence of the first UnavailableError or CallFailedError in `broken`; else what kind of error it is.

    Task groups wrap what ends them, and the text of a foreign error may hold anything, a token included.
    """
    pending: list[BaseException] = [broken]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending += error.exceptions  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        elif isinstance(error, UnavailableError | CallFailedError):
            return str(error)
        elif not isinstance(error, asyncio.CancelledError):
            return f"its session broke ({type(error).__name__})"
    return "its session was cancelled"
