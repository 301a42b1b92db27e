"""One call that runs once for each item of a list: reads all at once, writes one by one in the list's order.

A fan belongs to a schedule and decides as it does: it starts nothing itself and reads no clock.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.tools.outcome import Answer, Failure, Outcome

MAX_ITEMS = 100
"""Items of one `for_each`: two hundred look-ups that nobody counted are worth a second thought."""


def too_many(count: int) -> str:
    """Why a list is too long, with the way out."""
    return (
        f"for_each has {count} items, and at most {MAX_ITEMS} run in one call: "
        f'take a part of the list, such as "$[0:{MAX_ITEMS}]", and the rest in another call'
    )


class Fan:
    """The items of one call: what each is sent with, and what has become of it."""

    def __init__(self, arguments: Sequence[Mapping[str, Any]], *, in_turn: bool) -> None:
        """With `in_turn`, an item starts when the one before it has ended ok."""
        self.arguments = arguments
        self.outcomes: list[Outcome | None] = [None] * len(arguments)
        self._in_turn = in_turn
        self._left = len(arguments)

    @property
    def done(self) -> bool:
        """Whether every item has ended."""
        return self._left == 0

    def first(self) -> range:
        """The items that start when the call does."""
        return range(min(1, len(self.arguments)) if self._in_turn else len(self.arguments))

    def end(self, item: int, outcome: Outcome) -> range:
        """Note the end of an item; the items that start now."""
        if self.outcomes[item] is not None:
            return range(0)
        self.outcomes[item] = outcome
        self._left -= 1
        following = item + 1
        if not self._in_turn or following == len(self.arguments):
            return range(0)
        if outcome.ok:
            return range(following, following + 1)
        self.skip_rest(Failure("skipped", "CHAIN_HALTED", f"not sent: item {item} did not end ok"), outcome.ended_at)
        return range(0)

    @property
    def unfinished(self) -> list[int]:
        """The items that have not ended."""
        return [item for item, outcome in enumerate(self.outcomes) if outcome is None]

    def skip_rest(self, why: Failure, now: float) -> None:
        """End whatever has not ended."""
        for item in self.unfinished:
            self.outcomes[item] = Outcome(why, now)
        self._left = 0

    def outcome(self, call_id: str, now: float) -> Outcome:
        """What became of the call as a whole: ok where every item is, else the first failure in the list's order.

        What was not sent comes last: it is told of a call only if that is so for all that did not end ok.
        """
        ended = [outcome for outcome in self.outcomes if outcome is not None]
        started = [outcome.started_at for outcome in ended if outcome.started_at is not None]
        return Outcome(
            self._result(call_id),
            now,
            min(started, default=None),
            max((outcome.queued_s for outcome in ended), default=0.0),
            replayed=bool(ended) and all(outcome.replayed for outcome in ended),
            items=tuple(ended),
        )

    def _result(self, call_id: str) -> Answer | Failure:
        answers: list[Answer] = []
        failures: list[tuple[int, Failure]] = []
        for item, outcome in enumerate(self.outcomes):
            if outcome is None:
                continue
            if isinstance(outcome.result, Answer):
                answers.append(outcome.result)
            else:
                failures.append((item, outcome.result))
        if not failures:
            blocks = tuple(block for answer in answers for block in answer.blocks)
            return Answer([answer.data for answer in answers], blocks)
        item, first = min(failures, key=lambda failed: failed[1].status == "skipped")
        words = f"{len(failures)} of {len(self.outcomes)} items did not end ok; {call_id}[{item}]: {first.message}"
        if answers and first.code == "DEADLINE_EXCEEDED" and not self._in_turn:
            return Failure("timeout", "TOOL_TIMEOUT", words)  # a part of it was sent
        return Failure(first.status, first.code, words)
