"""What a recorder wrote down, and what can be judged from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import orjson


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log."""

    tool: str
    tag: str
    event: Literal["start", "end"]
    t: float
    pid: int


class Record:
    """A recorder's log, read anew at each question."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def entries(self) -> list[Entry]:
        """Every line in the order of its time."""
        if not self.log.exists():
            return []
        lines = self.log.read_bytes().splitlines()
        return sorted((Entry(**orjson.loads(line)) for line in lines), key=lambda entry: entry.t)

    def clear(self) -> None:
        """Forget what was written so far."""
        self.log.write_bytes(b"")

    def starts(self) -> list[float]:
        return [entry.t for entry in self.entries() if entry.event == "start"]

    def tags(self, event: Literal["start", "end"]) -> list[str]:
        return [entry.tag for entry in self.entries() if entry.event == event]

    def events(self) -> list[tuple[str, str]]:
        return [(entry.event, entry.tag) for entry in self.entries()]

    def pids(self) -> set[int]:
        return {entry.pid for entry in self.entries()}

    def most_in_flight(self) -> int:
        """The largest number of calls that were running at one moment."""
        running = most = 0
        for entry in self.entries():
            running += 1 if entry.event == "start" else -1
            most = max(most, running)
        return most


def gaps(stamps: Iterable[float]) -> list[float]:
    """Seconds between each stamp and the next."""
    return [later - earlier for earlier, later in pairwise(sorted(stamps))]
