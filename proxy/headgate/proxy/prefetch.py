"""Making calls ahead: when a tool that a rule names is called alone, its sibling reads set out in the background.

They go the way of every call, under all limits, and their answers wait in the table of `flights.py` for whoever asks
next. What goes wrong with one is nobody's business: the call itself then simply goes out.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.proxy.attempt import Ahead, Attempt
from headgate.proxy.connection import CallFailedError
from headgate.proxy.upstreams import Upstreams
from headgate.tools.catalogue import NotFound, Tool
from headgate.tools.prefetch import PrefetchCall, PrefetchRule, calls_ahead

logger = logging.getLogger(__name__)

MAX_UNDER_WAY = 32
"""Calls ahead at once. What would be more is not started: they compete with calls that somebody has asked for."""


@dataclass(frozen=True, slots=True)
class Prefetched:
    """What has become of the calls made ahead."""

    used: int
    """Answered somebody."""
    wasted: int
    """Were made for nothing: nobody asked in time, a write came between, or they failed."""


class Prefetch:
    """Makes calls ahead. Tell it of each call that is made alone."""

    def __init__(self, rules: Mapping[str, PrefetchRule], upstreams: Upstreams, tasks: asyncio.TaskGroup) -> None:
        """Calls ahead run as tasks of `tasks` until `close`."""
        self._rules = rules
        self._upstreams = upstreams
        self._group = tasks
        self._under_way: set[asyncio.Task[None]] = set()
        self._warned: set[str] = set()
        self._made = 0
        self._used = 0
        self._wasted = 0
        self._closed = False

    @property
    def count(self) -> Prefetched:
        """What has become of those that have come to their end."""
        return Prefetched(self._used, self._made - self._used if self._closed else self._wasted)

    def called(self, tool: Tool, arguments: Mapping[str, Any], principal: str = "") -> None:
        """Make ahead what the rules say follows a call of `tool`."""
        for name, rule in self._rules.items():
            if self._upstreams.catalogue.find(rule.when) is tool and self._is_sound(name, rule):
                for call in calls_ahead(rule, arguments):
                    self._start(call, rule.within_s, principal)

    def obey(self, rules: Mapping[str, PrefetchRule]) -> None:
        """Go by other rules from now on."""
        self._rules = rules
        self._warned.clear()

    def close(self) -> None:
        """End the calls under way. Whatever has answered nobody by now never will."""
        for task in self._under_way:
            task.cancel()
        self._closed = True

    def _is_sound(self, name: str, rule: PrefetchRule) -> bool:
        """Whether there are only reads in a rule; where that is not so, it is said once."""
        found = [(tool, self._upstreams.catalogue.find(tool)) for tool in (rule.when, *(it.tool for it in rule.calls))]
        writes = [named for named, tool in found if isinstance(tool, Tool) and tool.kind == "write"]
        unknown = [named for named, tool in found if isinstance(tool, NotFound) and tool.code == "UNKNOWN_TOOL"]
        if writes:
            self._warn(name, f'prefetch rule "{name}" does nothing: "{writes[0]}" is a write')
        elif unknown:
            self._warn(name, f'prefetch rule "{name}" names a tool that there is none of: "{unknown[0]}"')
        return not writes

    def _warn(self, name: str, message: str) -> None:
        if name not in self._warned:
            self._warned.add(name)
            logger.warning("%s", message)

    def _start(self, call: PrefetchCall, within_s: float, principal: str) -> None:
        tool = self._upstreams.catalogue.find(call.tool)
        if isinstance(tool, NotFound) or self._closed or len(self._under_way) >= MAX_UNDER_WAY:
            return
        if self._upstreams.check_arguments(tool, call.arguments) is not None:
            return
        now = asyncio.get_running_loop().time()
        ahead = Ahead(within_s, self._note)
        attempt = Attempt(tool, call.arguments, tool.rules.timeout_s, (), now, principal=principal, ahead=ahead)
        task = self._group.create_task(self._make(attempt))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _make(self, attempt: Attempt) -> None:
        try:
            await self._upstreams.call(attempt)
        except CallFailedError:
            return
        except Exception:
            logger.exception("a call of %s ahead failed inside headgate", attempt.tool.qualified)

    def _note(self, ahead: Ahead) -> None:
        if ahead.used is None:
            self._made += 1
        elif ahead.used:
            self._used += 1
        else:
            self._wasted += 1
