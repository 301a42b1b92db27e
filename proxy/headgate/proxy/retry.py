"""Which calls are made again when they fail, and when."""

import random
from collections.abc import Callable

from headgate.proxy.attempt import Attempt
from headgate.proxy.connection import CallFailedError
from headgate.tools.retries import RetryBudget, backoff_s


class Retries:
    """The retries of one upstream's calls."""

    __slots__ = ("_chance", "budget")

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        """`chance` gives numbers from 0 to 1."""
        self.budget = RetryBudget()
        self._chance = chance

    def wait_s(self, attempt: Attempt, failed: CallFailedError, now: float, left_s: float) -> float | None:
        """Seconds after which to make the call again; `None` to leave it at that.

        `left_s` is the time that there is for waiting.
        """
        if attempt.attempts > attempt.tool.rules.retries or not is_repeatable(attempt, failed):
            return None
        wait_s = max(backoff_s(attempt.attempts, self._chance()), failed.retry_after_s or 0.0)
        return wait_s if wait_s < left_s and self.budget.withdraw(now) else None


def is_repeatable(attempt: Attempt, failed: CallFailedError) -> bool:
    """Whether the call may well succeed if it is made again, and cannot be applied twice by that."""
    if not failed.transient or attempt.ahead is not None:
        return False
    rules = attempt.tool.rules
    if attempt.tool.kind == "read" or rules.idempotent or (rules.forward is not None and attempt.write is not None):
        return True
    # What "too many requests" has to do with a write that was refused so, only the operator can know.
    return not failed.sent and failed.code != "RATE_LIMITED"
