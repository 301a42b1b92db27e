"""How many calls may be under way at once, taken for all caps of a call together.

A call that needs several permits takes all of them or waits holding none, so that a full cap holds up nobody who
does not need it: calls to a busy upstream do not use up the batch's own cap while they wait.
"""

import asyncio
from collections import deque
from collections.abc import Sequence


class Capacity:
    """A cap. `leave` it as often as it was entered."""

    __slots__ = ("free", "limit", "waiting")

    def __init__(self, limit: int) -> None:
        """`limit` permits, all free."""
        self.limit = limit
        self.free = limit
        self.waiting: deque[_Waiter] = deque()

    def __repr__(self) -> str:
        """The state at a glance: `<Capacity 3/16 in use, 2 waiting>`."""
        waiting = sum(not waiter.granted.done() for waiter in self.waiting)
        return f"<Capacity {self.limit - self.free}/{self.limit} in use, {waiting} waiting>"


class _Waiter:
    """A call that waits in the queue of one cap that is full."""

    __slots__ = ("capacities", "granted")

    def __init__(self, capacities: Sequence[Capacity]) -> None:
        self.capacities = capacities
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()


async def enter(capacities: Sequence[Capacity]) -> None:
    """Take one permit of each; wait, first come first served at each cap, until all are free at once."""
    full = _full(capacities)
    if full is None:
        _take(capacities)
        return
    waiter = _Waiter(capacities)
    full.waiting.append(waiter)
    try:
        await waiter.granted
    except asyncio.CancelledError:
        if waiter.granted.done() and not waiter.granted.cancelled():
            leave(capacities)
        raise


def leave(capacities: Sequence[Capacity]) -> None:
    """Give one permit of each back, and let in whoever waited for them."""
    for capacity in capacities:
        capacity.free += 1
    for capacity in capacities:
        while capacity.free > 0 and capacity.waiting:
            _admit(capacity.waiting.popleft())


def _admit(waiter: _Waiter) -> None:
    if waiter.granted.done():
        return
    full = _full(waiter.capacities)
    if full is None:
        _take(waiter.capacities)
        waiter.granted.set_result(None)
    else:
        full.waiting.append(waiter)


def _full(capacities: Sequence[Capacity]) -> Capacity | None:
    for capacity in capacities:
        if capacity.free <= 0:
            return capacity
    return None


def _take(capacities: Sequence[Capacity]) -> None:
    for capacity in capacities:
        capacity.free -= 1
