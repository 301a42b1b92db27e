"""Writes of different batches take turns where they touch the same scope."""

import asyncio
from collections import deque

from headgate.tools.scope import Scope


class Turns:
    """First come, first served among writes whose scopes meet; others pass."""

    def __init__(self) -> None:
        """Nobody's turn yet."""
        self._under_way: list[Scope] = []
        self._waiting: deque[tuple[Scope, asyncio.Future[None]]] = deque()

    async def enter(self, scope: Scope) -> None:
        """Wait for the turn of a write to `scope`."""
        ahead = [*self._under_way, *(other for other, granted in self._waiting if not granted.done())]
        if not any(scope.meets(other) for other in ahead):
            self._under_way.append(scope)
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((scope, granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.leave(scope)
            else:
                self._pass_on()
            raise

    def leave(self, scope: Scope) -> None:
        """End the turn of a write to `scope`."""
        self._under_way.remove(scope)
        self._pass_on()

    def _pass_on(self) -> None:
        still: deque[tuple[Scope, asyncio.Future[None]]] = deque()
        for scope, granted in self._waiting:
            if granted.done():
                continue
            if any(scope.meets(other) for other in (*self._under_way, *(ahead for ahead, _ in still))):
                still.append((scope, granted))
            else:
                self._under_way.append(scope)
                granted.set_result(None)
        self._waiting = still
