"""The limits of one upstream: how many calls at once, how fast, and what it bears when calls fail."""

import random
from collections.abc import Callable

from headgate.proxy.attempt import Attempt
from headgate.proxy.capacity import Capacity, enter, leave
from headgate.proxy.circuit import Circuit
from headgate.proxy.durations import Durations
from headgate.proxy.pace import Pace, keep_pace
from headgate.proxy.retry import Retries
from headgate.proxy.turns import Turns
from headgate.tools.catalogue import Tool
from headgate.tools.rules import ToolRules, UpstreamRules


class Limits:
    """They belong to the upstream and outlive every batch and every connection."""

    __slots__ = ("_pace", "_tools", "_upstream", "circuit", "durations", "retries", "rules", "turns")

    def __init__(self, rules: UpstreamRules, name: str = "", chance: Callable[[], float] = random.random) -> None:
        """Of the upstream `name`; the limits of a tool are made when it is first called."""
        self.rules = rules
        self.turns = Turns()
        self.circuit = Circuit(name, chance)
        self.retries = Retries(chance)
        self.durations = Durations()
        self._upstream = Capacity(rules.concurrency)
        self._pace = Pace.of(rules.rate)
        self._tools: dict[str, tuple[tuple[Capacity, ...], tuple[Pace, ...]]] = {}

    def of(self, tool: Tool) -> tuple[tuple[Capacity, ...], tuple[Pace, ...]]:
        """The caps and the paces that a call of `tool` is under; the upstream's pace comes last."""
        found = self._tools.get(tool.name)
        if found is None:
            own = _capacities(tool.rules)
            found = self._tools[tool.name] = ((*own, self._upstream), (*Pace.of(tool.rules.rate), *self._pace))
        return found

    async def enter(self, attempt: Attempt) -> None:
        """Let an attempt wait for its permits and for its pace; `leave` gives the permits back."""
        caps, paces = self.of(attempt.tool)
        needs = (*attempt.batch, *caps)
        if not paces:
            await enter(needs)
            attempt.held = needs
            return
        await enter((*needs, paces[0].lane))
        attempt.held = needs
        try:
            await keep_pace(paces)
        except BaseException:
            self.leave(attempt)
            raise

    @staticmethod
    def leave(attempt: Attempt) -> None:
        """Give back what an attempt holds."""
        held, attempt.held = attempt.held, ()
        leave(held)


def _capacities(rules: ToolRules) -> tuple[Capacity, ...]:
    return () if rules.concurrency is None else (Capacity(rules.concurrency),)
