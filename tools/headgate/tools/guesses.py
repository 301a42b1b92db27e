"""Reads that are sent with defaults before it is known whether these are right."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from headgate.tools.outcome import Outcome
from headgate.tools.plan import Plan


def same_arguments(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two fillings of one template are the same JSON. To Python, 1 and true would be."""
    return to_json(one) == to_json(other)


class Guesses:
    """The reads that were sent with defaults before it was known whether these are right."""

    def __init__(self, plan: Plan) -> None:
        """No guess has been made yet."""
        self._unknown: dict[int, int] = {}
        self._guessers: dict[int, list[int]] = {}
        self._guessed: dict[int, Mapping[str, Any]] = {}
        self._held: dict[int, Outcome] = {}
        self._settled: list[int] = []
        for index in plan.order:
            if plan.steps[index].guesses:
                self._unknown[index] = len(plan.steps[index].guesses)
                for source in plan.steps[index].guesses:
                    self._guessers.setdefault(source, []).append(index)

    def open(self, index: int) -> bool:
        """Whether the call at `index` guesses about a call that has not ended."""
        return self._unknown.get(index, 0) > 0

    def guess(self, index: int, arguments: Mapping[str, Any]) -> None:
        """Note what a call was sent with."""
        self._guessed[index] = arguments

    def hold(self, index: int, outcome: Outcome) -> None:
        """Keep the answer to a guess until it can be judged."""
        self._held[index] = outcome

    def know(self, source: int) -> None:
        """Take note that the call at `source` has ended."""
        for index in self._guessers.get(source, ()):
            self._unknown[index] -= 1
            if self._unknown[index] == 0 and index in self._guessed:
                self._settled.append(index)

    def take_settled(self) -> int | None:
        """One whose guess can be judged now."""
        return self._settled.pop(0) if self._settled else None

    def close(self, index: int) -> tuple[Mapping[str, Any], Outcome | None]:
        """What the call at `index` was sent with, and its answer if it came already."""
        return self._guessed.pop(index), self._held.pop(index, None)
