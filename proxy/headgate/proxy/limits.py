"""The limits of one upstream: how many calls at once, how fast, how many may wait, what it bears when they fail."""

import asyncio
import math
import random
from collections.abc import Callable, Hashable

from headgate.proxy.attempt import Attempt
from headgate.proxy.capacity import Capacity, TooLateError, enter, entered, leave
from headgate.proxy.circuit import Circuit
from headgate.proxy.connection import TurnedAwayError
from headgate.proxy.durations import Durations
from headgate.proxy.pace import Pace, keep_pace
from headgate.proxy.retry import Retries
from headgate.proxy.turns import Turns
from headgate.tools.catalogue import Tool
from headgate.tools.rules import UpstreamRules
from headgate.tools.scope import scope_of

LONGEST_PAUSE_S = 60.0
"""An upstream that asks for more patience gets that much, and may ask again."""
_LIFTED = 1 << 30
"""Permits of a cap that is none any more, and that calls may still wait for."""
_OF_A_TOOL = "a place among the calls of its tool that run at once"


class Limits:
    """They belong to the upstream and outlive every batch and every connection."""

    __slots__ = (
        "_name",
        "_pace",
        "_tools",
        "_upstream",
        "_waiting",
        "_waiting_of",
        "circuit",
        "durations",
        "retries",
        "rules",
        "turns",
    )

    def __init__(self, rules: UpstreamRules, name: str = "", chance: Callable[[], float] = random.random) -> None:
        """Of the upstream `name`; the limits of a tool are made when it is first called."""
        self.rules = rules
        self.turns = Turns()
        self.circuit = Circuit(name, chance)
        self.retries = Retries(chance)
        self.durations = Durations()
        self._name = name
        self._upstream = Capacity(rules.concurrency, f'a place among the calls that upstream "{name}" takes at once')
        self._pace = Pace.of(rules.rate)
        self._tools: dict[str, tuple[tuple[Capacity, ...], tuple[Pace, ...]]] = {}
        self._waiting = 0
        self._waiting_of: dict[Hashable, int] = {}
        """Calls that wait, by the batch that they are of."""

    def obey(self, rules: UpstreamRules) -> None:
        """Go by other rules. A limit that they leave as it is goes on where it was, tokens and all."""
        self.rules = rules
        self._upstream.resize(rules.concurrency)
        pace, self._pace = self._pace, Pace.after(self._pace, rules.rate)
        for name, (caps, paces) in self._tools.items():
            own = rules.of(name)
            own_caps = _resized(caps[:-1], own.concurrency)
            own_paces = Pace.after(paces[: len(paces) - len(pace)], own.rate)
            found = (*own_caps, self._upstream), (*own_paces, *self._pace)
            if found != (caps, paces):
                self._tools[name] = found

    def of(self, tool: Tool) -> tuple[tuple[Capacity, ...], tuple[Pace, ...]]:
        """The caps and the paces that a call of `tool` is under; the upstream's pace comes last."""
        found = self._tools.get(tool.name)
        if found is None:
            rules = self.rules.of(tool.name)  # not the tool's: a batch may have been planned by rules of before
            own = _resized((), rules.concurrency)
            found = self._tools[tool.name] = ((*own, self._upstream), (*Pace.of(rules.rate), *self._pace))
        return found

    def entered(self, attempt: Attempt) -> bool:
        """Let an attempt have its permits, if it need not wait for anything; whether that is so."""
        caps, paces = self.of(attempt.tool)
        if paces:
            return False
        needs = (*attempt.batch, *caps)
        if not entered(needs):
            return False
        attempt.held = needs
        return True

    async def enter(self, attempt: Attempt) -> None:
        """Let an attempt wait for its permits and for its pace; `leave` gives the permits back.

        Raises:
            TurnedAwayError: Too many are waiting already (`OVERLOADED`); or its turn would come too late for it, or the
                upstream has asked for more patience than it has (`RATE_LIMITED`).

        """
        while not await self._has_entered(attempt):
            self.leave(attempt)

    async def _has_entered(self, attempt: Attempt) -> bool:
        """Let an attempt wait; whether what it has waited for is still what it needs."""
        now = asyncio.get_running_loop().time()
        needed = caps, paces = self.of(attempt.tool)
        needs = (*attempt.batch, *caps)
        asker = object() if attempt.asker is None else attempt.asker
        begin_by = math.inf if attempt.deadline is None else attempt.deadline
        own_end = (now if attempt.started_at is None else attempt.started_at) + attempt.timeout_s
        # Waiting for a turn does not count against a call's own timeout. What the upstream asks for is no turn.
        paused_by = min(begin_by, own_end)
        if attempt.started_at is not None:
            begin_by = paused_by
        wait_s = max((pace.wait_s(now, asker) for pace in paces), default=0.0)
        if now + wait_s > begin_by:
            raise self._too_late(wait_s)
        self._line_up(asker, paces, now)
        try:
            attempt.line = (*needs, paces[0].lane) if paces else needs
            await enter(attempt.line, asker, paused_by)
            attempt.held = needs
            if paces:
                attempt.line = (paces[0].lane,)
                attempt.tokens = await keep_pace(paces, asker, begin_by, lambda: self.of(attempt.tool) is needed)
            return self.of(attempt.tool) is needed
        except TooLateError as late:
            self.leave(attempt)
            raise self._too_late(late.wait_s) from None
        except BaseException:
            self.leave(attempt)
            raise
        finally:
            attempt.line = ()
            self._step_out(asker, paces)

    @staticmethod
    def leave(attempt: Attempt) -> None:
        """Give back what an attempt holds."""
        held, attempt.held = attempt.held, ()
        leave(held)

    @staticmethod
    def give_tokens_back(attempt: Attempt) -> None:
        """Have an attempt that has not gone out count as none."""
        tokens, attempt.tokens = attempt.tokens, ()
        for token in tokens:
            token.give_back()

    async def enter_turn(self, attempt: Attempt) -> None:
        """Let a write wait for its turn; `leave_turn` ends it.

        Raises:
            TurnedAwayError: Too many are waiting already (`OVERLOADED`).

        """
        if self.turns.waiting >= self.rules.queue:
            raise self._overloaded(self.turns.waiting)
        scope = scope_of(attempt.tool, attempt.arguments)
        await self.turns.enter(scope)
        attempt.turn = scope

    def leave_turn(self, attempt: Attempt) -> None:
        """End the turn of a write, unless that is done already."""
        if attempt.turn is not None:
            scope, attempt.turn = attempt.turn, None
            self.turns.leave(scope)

    def pause(self, seconds: float) -> None:
        """Send nothing for so long, `LONGEST_PAUSE_S` at most."""
        if seconds > 0:
            self._upstream.pause(asyncio.get_running_loop().time() + min(seconds, LONGEST_PAUSE_S))

    def resume(self) -> None:
        """Send again: who has asked for patience is not who is sent to from now on."""
        self._upstream.resume()

    def _line_up(self, asker: Hashable, paces: tuple[Pace, ...], now: float) -> None:
        own = self._waiting_of.get(asker, 0)
        # Nobody takes more room than is left: however long a batch is, there is some for the next.
        if own >= self.rules.queue - self._waiting:
            until = self._upstream.paused_until
            waits = [pace.wait_s(now, asker) for pace in paces] + ([] if until is None else [until - now])
            raise self._overloaded(self._waiting, max(waits, default=None))
        self._waiting_of[asker] = own + 1
        self._waiting += 1
        for pace in paces:
            pace.line_up(asker)

    def _step_out(self, asker: Hashable, paces: tuple[Pace, ...]) -> None:
        left = self._waiting_of[asker] - 1
        self._waiting -= 1
        if left:
            self._waiting_of[asker] = left
        else:
            del self._waiting_of[asker]
        for pace in paces:
            pace.step_out(asker)

    def _too_late(self, wait_s: float) -> TurnedAwayError:
        words = f'upstream "{self._name}" can be sent this call in {wait_s:.1f} s, which is too late for it'
        return TurnedAwayError("RATE_LIMITED", words, retry_after_s=wait_s)

    def _overloaded(self, waiting: int, wait_s: float | None = None) -> TurnedAwayError:
        words = f'upstream "{self._name}" has {waiting} waiting already: there is no room for this call'
        return TurnedAwayError("OVERLOADED", words, retry_after_s=wait_s)


def _resized(caps: tuple[Capacity, ...], limit: int | None) -> tuple[Capacity, ...]:
    """The cap of a tool in place of `caps`; whoever waits for one that is lifted is let in."""
    for cap in caps:
        cap.resize(_LIFTED if limit is None else limit)
    return () if limit is None else caps or (Capacity(limit, _OF_A_TOOL),)
