"""When a call that failed is made again: how long to wait first, and how many retries an upstream is to bear.

Retries help where trouble is short. Where it lasts they are load on top of trouble, so they live on a budget: with
every call failing, an upstream sees a tenth more calls than without retries, and a few.
"""

FIRST_S, LONGEST_S = 0.2, 5.0
"""The longest wait before the first retry, and before any."""
FLOOR = 10
"""Retries that an upstream bears though hardly anybody calls it, and in how many seconds they are there again."""
FLOOR_AGAIN_S = 60.0
SHARE = 0.1
"""Of a retry that each call earns for its upstream."""
MOST = 100.0
"""Retries that can be earned ahead: enough for a session that breaks with all its calls in flight."""


def backoff_s(attempts: int, chance: float) -> float:
    """Seconds to wait after so many attempts, 1 or more, with `chance` from 0 to 1.

    All of the wait is chance ("full jitter"): calls that failed together do not come back together.
    """
    return chance * min(FIRST_S * 2 ** (attempts - 1), LONGEST_S)


class RetryBudget:
    """The retries of one upstream: in any run of n calls, at most `FLOOR` + n * `SHARE`, and `FLOOR` a minute."""

    __slots__ = ("_counted_at", "_left")

    def __init__(self) -> None:
        """As much as an upstream bears that nobody has called yet."""
        self._left = float(FLOOR)
        self._counted_at = 0.0

    def deposit(self) -> None:
        """Take note of a call."""
        if self._left < MOST:
            self._left += SHARE

    def withdraw(self, now: float) -> bool:
        """Spend a retry; whether there was one."""
        if self._left < FLOOR:
            earned = (now - self._counted_at) * FLOOR / FLOOR_AGAIN_S
            self._left = min(self._left + earned, FLOOR)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
