"""The reads of one upstream that others can join: those in flight, and answers fetched ahead that wait for somebody.

Two reads are identical where the principal, the tool, the timeout and the arguments are the same. A write to the
upstream parts them: whatever was in the table when it went out, or when it ended, can be joined by nobody any more. And
while a write is under way, a read that ends may have seen it; so from then on nobody joins a read that is older, and
time runs backwards for no one.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from headgate.proxy.attempt import Ahead, Attempt
from headgate.proxy.connection import CallFailedError

MAX_KEPT = 100
"""Answers fetched ahead that wait for somebody, of one upstream. The oldest goes first."""

Result = Mapping[str, Any]
Key = tuple[str, float, str, bytes]


def key_of(attempt: Attempt) -> Key | None:
    """What identical calls have in common; `None` for what is never merged.

    That is a call that brings the answers to its upstream's questions, and arguments that are not plain JSON.
    """
    if attempt.input is not None:
        return None
    try:
        arguments = orjson.dumps(attempt.arguments, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # orjson's own error is one
        return None
    return attempt.tool.name, attempt.timeout_s, attempt.principal, arguments


class Followed:
    """A call that others wait for."""

    __slots__ = ("followers",)

    def __init__(self) -> None:
        """Nobody waits yet."""
        self.followers: list[asyncio.Future[Result | CallFailedError | None]] = []

    def land(self, answer: Result | CallFailedError) -> bool:
        """Give `answer` to all who wait; whether there was anybody."""
        waiting = [follower for follower in self.followers if not follower.done()]
        for follower in waiting:
            follower.set_result(answer)
        return bool(waiting)

    def hand_over(self) -> bool:
        """Let the first who waits make the call, for which it is given `None`; whether there is anybody."""
        while self.followers:
            follower = self.followers.pop(0)
            if not follower.done():
                follower.set_result(None)
                return True
        return False


class Flight(Followed):
    """One upstream call that can be joined."""

    __slots__ = ("answer", "leader", "timer")

    def __init__(self, leader: Attempt) -> None:
        """`leader` makes the call."""
        super().__init__()
        self.leader = leader
        self.answer: Result | None = None
        """Of a call made ahead, while it waits for somebody to ask."""
        self.timer: asyncio.TimerHandle | None = None

    def is_open_to(self, attempt: Attempt) -> bool:
        """Whether to wait for it is never longer than to go alone.

        Its leader may have to wait for a cap of its own batch, which is nothing to the calls of others.
        """
        leader = self.leader
        if leader.started_at is not None or leader.batch == attempt.batch:
            return True
        return all(cap.free > 0 or cap in attempt.batch for cap in leader.batch)

    def drop(self) -> None:
        """Stop keeping the answer. Where nobody has taken it, it was of no use."""
        if self.timer is not None:
            self.timer.cancel()
        if self.leader.ahead is not None:
            self.leader.ahead.end(used=False)


class Flights:
    """The table."""

    def __init__(self) -> None:
        """Nothing in flight, nothing kept."""
        self._open: dict[Key, Flight] = {}
        self._kept: dict[Key, Flight] = {}
        """Those of `_open` that have landed, the oldest first."""
        self._writes = 0

    def find(self, key: Key) -> Flight | None:
        """What can be joined there."""
        return self._open.get(key)

    def open(self, key: Key, leader: Attempt) -> Flight:
        """A flight that can be joined from now on, in place of any other there."""
        flight = self._open[key] = Flight(leader)
        return flight

    def close(self, key: Key, flight: Flight) -> None:
        """Let nobody join `flight` any more, which may be so already."""
        if self._open.get(key) is flight:
            del self._open[key]

    def ended(self, key: Key, flight: Flight) -> None:
        """Take note that a read was answered."""
        if self._writes:
            self.part()
        else:
            self.close(key, flight)

    def write_begins(self) -> None:
        """Let nobody join a read that was there before the write."""
        self._writes += 1
        self.part()

    def write_ends(self) -> None:
        """Let nobody join a read that was there before the end of the write."""
        self._writes -= 1
        self.part()

    def keep(self, key: Key, flight: Flight, answer: Result, ahead: Ahead) -> None:
        """Keep an answer for whoever asks next, unless a write may have made it old already."""
        if self._writes or self._open.get(key) is not flight:
            self.ended(key, flight)
            ahead.end(used=False)
            return
        flight.answer = answer
        flight.timer = asyncio.get_running_loop().call_later(ahead.within_s, self._forget, key, flight)
        self._kept[key] = flight
        if len(self._kept) > MAX_KEPT:
            self._forget(*next(iter(self._kept.items())))

    def take(self, key: Key, flight: Flight) -> Result | None:
        """The answer that is kept there, which is gone from then on; `None` while it is still on its way."""
        if flight.answer is None:
            return None
        if flight.leader.ahead is not None:
            flight.leader.ahead.end(used=True)
        self._forget(key, flight)
        return flight.answer

    def _forget(self, key: Key, flight: Flight) -> None:
        del self._open[key], self._kept[key]
        flight.drop()

    def part(self) -> None:
        """Let nobody join what is there by now."""
        if self._open:
            self._open = {}
        if self._kept:
            kept, self._kept = self._kept, {}
            for flight in kept.values():
                flight.drop()
