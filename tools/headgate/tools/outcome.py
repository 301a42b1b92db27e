"""What can become of one call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["ok", "error", "timeout", "unknown", "skipped", "pending"]

ErrorCode = Literal[
    "TOOL_ERROR",
    "UPSTREAM_ERROR",
    "UPSTREAM_UNAVAILABLE",
    "CIRCUIT_OPEN",
    "RATE_LIMITED",
    "UNKNOWN_TOOL",
    "INVALID_ARGUMENTS",
    "REFERENCE_NOT_FOUND",
    "RESULT_TOO_LARGE",
    "CONFLICT",
    "DENIED",
    "TOOL_TIMEOUT",
    "OUTCOME_UNKNOWN",
    "DEPENDENCY_FAILED",
    "CHAIN_HALTED",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
    "OVERLOADED",
]

RETRYABLE: frozenset[ErrorCode] = frozenset(
    (
        "TOOL_TIMEOUT",
        "UPSTREAM_UNAVAILABLE",
        "CIRCUIT_OPEN",
        "RATE_LIMITED",
        "DEADLINE_EXCEEDED",
        "DEPENDENCY_FAILED",
        "CHAIN_HALTED",
        "CANCELLED",
        "OVERLOADED",
    )
)
"""Codes after which the same call, sent again, may well succeed and cannot have been applied already."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call did not end ok."""

    status: Literal["error", "timeout", "unknown", "skipped"]
    code: ErrorCode
    message: str
    retry_after_s: float | None = None
    """Seconds after which another try may succeed, where somebody said so."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an upstream gave back for one call."""

    data: Any
    """JSON: what references see and the reply carries."""
    blocks: tuple[dict[str, Any], ...] = ()
    """Images, audio and resources, as MCP content blocks."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one call. Times are seconds on the clock of whoever drives the schedule."""

    result: Answer | Failure
    ended_at: float
    started_at: float | None = None
    """When it went out; `None` for a call that was never sent."""
    queued_s: float = 0.0
    """How long it waited for a permit before that."""
    items: "tuple[Outcome, ...] | None" = None
    """What became of each item, where it ran once for each of a list."""
    coalesced: bool = False
    """Whether an identical call that was on its way already answered it too."""
    attempts: int = 1
    """How often it went out."""
    replayed: bool = False
    """Whether it is what became of an earlier write under the same key: this time nothing was sent."""

    parts: "Mapping[str, Outcome] | None" = None
    """What became of each call of a recipe, by name."""

    @property
    def ok(self) -> bool:
        """Whether the call was answered."""
        return isinstance(self.result, Answer)

    @property
    def status(self) -> Status:
        """The contract's word for it."""
        return "ok" if isinstance(self.result, Answer) else self.result.status

    @property
    def serial_s(self) -> float:
        """Seconds that it would have taken one by one."""
        if self.parts is not None:
            return sum(part.serial_s for part in self.parts.values())
        if self.items is not None:
            return sum(item.duration_s for item in self.items)
        return 0.0 if self.started_at is None else self.ended_at - self.started_at

    @property
    def duration_s(self) -> float:
        """Seconds between going out and ending; 0 for a call that was never sent."""
        return 0.0 if self.started_at is None else self.ended_at - self.started_at
