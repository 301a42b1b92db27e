"""Keeping a write from being sent that nobody waits for any more, as long as none of it has gone out.

A write is sent by a task that outlives its caller's patience, and what carries it lies several steps below. Only that
knows whether the first byte has left, so it says there how the write can be taken back.
"""

from collections.abc import Callable
from contextvars import ContextVar


class Recall:
    """How the write of one task can be taken back."""

    __slots__ = ("take_back",)

    def __init__(self) -> None:
        """It cannot, until somebody says how."""
        self.take_back: Callable[[], bool] = _not_possible
        """Takes it back, if none of it has been sent; whether that is so."""


RECALL: ContextVar[Recall | None] = ContextVar("recall", default=None)
"""Set where a write is sent that may be taken back."""


def _not_possible() -> bool:
    return False
