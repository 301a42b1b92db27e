"""The switch between running batches in parallel and one by one, and what has become of the batches on either side.

An operator who suspects headgate of an incident turns it: the same calls then go out as they would without a batch.
"""

import logging
import random
from dataclasses import dataclass

from headgate.proxy.driver import Driver
from headgate.tools.reply import counted, outcome_of

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Arm:
    """The batches that went one of the two ways."""

    batches: int = 0
    failed: int = 0
    """Batches of which no call was answered."""
    partly: int = 0
    """Batches of which some calls were."""
    total_s: float = 0.0

    def note(self, driver: Driver) -> None:
        """Count a batch that has ended."""
        outcome = outcome_of(counted([outcome for _, outcome in driver.plan.shown(driver.outcomes) if outcome]))
        self.batches += 1
        self.failed += outcome == "failed"
        self.partly += outcome == "partial"
        self.total_s += (driver.ended_at or driver.started_at) - driver.started_at

    def told(self) -> dict[str, int]:
        """The same for a line of the log, durations in milliseconds."""
        mean_ms = round(1000 * self.total_s / self.batches) if self.batches else 0
        return {"batches": self.batches, "failed": self.failed, "partial": self.partly, "mean_ms": mean_ms}


class Switch:
    """Which way the next batch goes."""

    def __init__(self, parallel: bool | float) -> None:  # noqa: FBT001 - the setting as it is written down
        """`parallel` is True, False, or the share of batches that run in parallel."""
        self.parallel = parallel
        self.in_parallel, self.one_by_one = Arm(), Arm()

    def draw(self) -> bool:
        """Whether this batch is one of those that run in parallel."""
        return self.parallel is True or random.random() < float(self.parallel)  # noqa: S311 - a sample, not a secret

    def turn(self, parallel: bool | float) -> None:  # noqa: FBT001
        """Set the switch. Batches under way end as they began."""
        if parallel != self.parallel:
            self.tell(f"parallel is now {_written(parallel)}; it was {_written(self.parallel)}")
            self.parallel = parallel
            self.in_parallel, self.one_by_one = Arm(), Arm()

    def note(self, driver: Driver) -> None:
        """Count a batch that has ended."""
        (self.one_by_one if driver.plan.one_by_one else self.in_parallel).note(driver)

    def tell(self, event: str) -> None:
        """Log what has become of the batches since the switch was last turned."""
        arms = {"parallel": self.in_parallel.told(), "one_by_one": self.one_by_one.told()}
        text = "; ".join(
            f"{name.replace('_', ' ')}: {arm['batches']} batches, {arm['failed']} failed, {arm['partial']} partial, "
            f"{arm['mean_ms']} ms on average"
            for name, arm in arms.items()
        )
        logger.info("%s. Until now: %s", event, text, extra={"fields": {"switch": event, **arms}})


def _written(parallel: bool | float) -> str:  # noqa: FBT001
    return str(parallel).lower()
