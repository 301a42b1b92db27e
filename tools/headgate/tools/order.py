"""Orders and cycles of calls that wait for each other. Calls are numbers; nearly linear in calls and edges."""

from collections.abc import Sequence
from heapq import heappop, heappush


def serial_order(waits: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The order in which calls would be made one by one: as listed, each that waits for a later one right behind it.

    `waits[i]` holds what call `i` waits for, without a cycle.
    """
    missing = [len(set(earlier)) for earlier in waits]
    waiting: list[list[int]] = [[] for _ in waits]
    for index, earlier in enumerate(waits):
        for one in set(earlier):
            waiting[one].append(index)
    order: list[int] = []
    for index in range(len(waits)):
        # Calls whose own place has passed stand behind what they waited for, among each other as they are listed.
        free = [index] if missing[index] == 0 else []
        while free:
            current = heappop(free)
            order.append(current)
            for later in waiting[current]:
                missing[later] -= 1
                if missing[later] == 0 and later < index:
                    heappush(free, later)
    return tuple(order)


def cycle_in(waits: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """One cycle among the calls, first and last the same; empty where there is none."""
    unseen, open_, closed = 0, 1, 2
    state = [unseen] * len(waits)
    for start in range(len(waits)):
        path: list[tuple[int, int]] = [(start, 0)] if state[start] == unseen else []
        while path:
            index, position = path.pop()
            state[index] = open_
            if position == len(waits[index]):
                state[index] = closed
                continue
            path.append((index, position + 1))
            earlier = waits[index][position]
            if state[earlier] == open_:
                trail = [node for node, _ in path]
                return (*trail[trail.index(earlier) :], earlier)
            if state[earlier] == unseen:
                path.append((earlier, 0))
    return ()
