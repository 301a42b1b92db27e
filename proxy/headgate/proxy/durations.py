"""How long each tool has taken of late."""

from collections import deque

KEPT = 100
"""Calls of one tool that are looked back upon."""


class Durations:
    """The latest durations of one upstream's tools, by the upstream's own names."""

    def __init__(self) -> None:
        """Nothing measured yet."""
        self._latest: dict[str, deque[float]] = {}

    def note(self, tool: str, seconds: float) -> None:
        """Note that a call of `tool` was answered after so long."""
        latest = self._latest.get(tool)
        if latest is None:
            latest = self._latest[tool] = deque(maxlen=KEPT)
        latest.append(seconds)

    def typical_s(self, tool: str) -> float | None:
        """The median of the latest calls of `tool`, in seconds; `None` where there was none."""
        latest = sorted(self._latest.get(tool, ()))
        return latest[len(latest) // 2] if latest else None
