"""Why a batch is refused whole. A refusal is a value: nothing has run."""

from dataclasses import dataclass
from typing import Literal

ProblemCode = Literal[
    "INVALID_REQUEST",
    "DUPLICATE_ID",
    "UNKNOWN_ID",
    "CYCLE",
    "BAD_REFERENCE",
    "TOO_MANY_CALLS",
    "TOO_DEEP",
    "TOO_LARGE",
    "NOT_A_READ",
    "NOT_SUPPORTED",
    "NESTED_BATCH",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a request."""

    code: ProblemCode
    where: str
    """A path into the request, such as `calls[3].timeout_s`."""
    message: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Everything wrong with a request, at once."""

    problems: tuple[Problem, ...]
