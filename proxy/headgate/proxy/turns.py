"""Writes of different batches to one upstream take turns where they touch the same thing.

First come, first served: a write to the whole upstream parts those that came before it from those that come after.
Between two such, each resource has a line of its own, so that a turn costs the same however many wait.
"""

import asyncio
from collections import deque

from headgate.tools.scope import Scope

_Turn = asyncio.Future[None]
_Lines = dict[str, deque[_Turn]]


class Turns:
    """The turns of the writes to one upstream."""

    def __init__(self) -> None:
        """Nobody's turn yet."""
        self.waiting = 0
        """Writes that wait for their turn."""
        self._under_way: set[str | None] = set()
        """The resources that are being written to; `None` for the whole upstream."""
        self._queue: deque[_Turn | _Lines] = deque()
        """Writes to the whole upstream, and between them the lines of those to its resources."""

    async def enter(self, scope: Scope) -> None:
        """Wait for the turn of a write to `scope`."""
        if self._is_free(scope.resource):
            self._under_way.add(scope.resource)
            return
        turn: _Turn = asyncio.get_running_loop().create_future()
        self._line_up(scope.resource, turn)
        self.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(scope)
            else:
                self._pass_on()
            raise
        finally:
            self.waiting -= 1

    def leave(self, scope: Scope) -> None:
        """End the turn of a write to `scope`."""
        self._under_way.remove(scope.resource)
        self._pass_on(scope.resource)

    def _is_free(self, resource: str | None) -> bool:
        """Whether a write that comes now need not wait: nothing that it meets is under way or came before it."""
        if resource is None:
            return not self._under_way and not self._queue
        if None in self._under_way or resource in self._under_way:
            return False
        ahead = self._queue[0] if self._queue else None
        return ahead is None or (isinstance(ahead, dict) and len(self._queue) == 1 and resource not in ahead)

    def _line_up(self, resource: str | None, turn: _Turn) -> None:
        if resource is None:
            self._queue.append(turn)
            return
        lines = self._queue[-1] if self._queue else None
        if not isinstance(lines, dict):
            lines = _Lines()
            self._queue.append(lines)
        lines.setdefault(resource, deque()).append(turn)

    def _pass_on(self, resource: str | None = None) -> None:
        """Let go whoever can, now that a turn has ended or somebody waits no more; `resource` is what became free."""
        while self._queue and None not in self._under_way:
            ahead = self._queue[0]
            if isinstance(ahead, dict):
                self._serve(ahead, [*ahead] if resource is None else [resource])
                if ahead:
                    return
            elif not ahead.done():
                if self._under_way:
                    return
                self._under_way.add(None)
                ahead.set_result(None)
            self._queue.popleft()
            resource = None

    def _serve(self, lines: _Lines, resources: list[str]) -> None:
        """Let the first of each line go whose resource is free."""
        for resource in resources:
            line = lines.get(resource)
            while line and resource not in self._under_way:
                turn = line.popleft()
                if not turn.done():
                    self._under_way.add(resource)
                    turn.set_result(None)
            if line is not None and not line:
                del lines[resource]
