"""Keeping a write from being sent that nobody waits for any more, as long as none of it has gone out.

A write is sent by a task that outlives its caller's patience, and what carries it lies several steps below. Only that
knows whether the first byte has left, so it says there how the write can be taken back.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

FIRST_BYTE = ".send_request_headers.started"
"""How the HTTP client calls it, whatever the version of HTTP."""


class Recall:
    """How the write of one task can be taken back."""

    __slots__ = ("gone", "take_back")

    def __init__(self) -> None:
        """It cannot, until somebody says how."""
        self.gone = False
        """Whether it has gone out over HTTP, or part of it."""
        self.take_back: Callable[[], bool] = _not_possible
        """Takes it back, if none of it has been sent; whether that is so. Its task has to be cancelled then."""


RECALL: ContextVar[Recall | None] = ContextVar("recall", default=None)
"""Set where a write is sent that may be taken back."""


def watched() -> dict[str, Callable[[str, Mapping[str, Any]], Awaitable[None]]]:
    """What goes along with an HTTP request, so that the write that it carries can be taken back until it has gone out.

    Until then it waits for a connection: for a name to be resolved, a host to answer, TLS to come about.
    """
    recall = RECALL.get()
    if recall is None or recall.gone:
        return {}

    async def trace(step: str, _about: Mapping[str, Any]) -> None:
        recall.gone = recall.gone or step.endswith(FIRST_BYTE)

    recall.take_back = lambda: not recall.gone
    return {"trace": trace}


def _not_possible() -> bool:
    return False
