"""What is noted of a batch after it has ended: its line in the log, the room that its results take.

It is done a moment later and for several batches together, so that no reply waits for it; and for a few at a time, so
that none waits for many.
"""

import asyncio
from itertools import islice

from headgate.proxy.driver import Driver
from headgate.server.batches import KeptBatches
from headgate.server.summary import log_batch
from headgate.server.switch import Switch

LATER_S = 0.05
AT_ONCE = 8
"""Batches noted in one turn of the event loop: each takes some 30 µs."""


class Books:
    """The batches that have not been noted yet."""

    def __init__(self, kept: KeptBatches, switch: Switch) -> None:
        """Results are weighed in `kept`, and each batch counted on its side of `switch`."""
        self._kept = kept
        self._switch = switch
        self._open: dict[str, tuple[Driver, str]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def open(self, batch_id: str, driver: Driver, principal: str = "") -> None:
        """Note the batch of `principal` once it has ended."""
        self._open[batch_id] = driver, principal
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LATER_S, self._later)

    def close(self) -> None:
        """Note what has ended, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._note():
            pass

    def _later(self) -> None:
        more = self._note()
        self._timer = None
        if self._open:
            self._timer = asyncio.get_running_loop().call_later(0 if more else LATER_S, self._later)

    def _note(self) -> bool:
        """Note some batches that have ended; whether there may be more."""
        ended = [*islice((batch_id for batch_id, (driver, _) in self._open.items() if driver.done), AT_ONCE)]
        for batch_id in ended:
            driver, principal = self._open.pop(batch_id)
            log_batch(batch_id, driver, principal)
            self._switch.note(driver)
            self._kept.weigh(batch_id, principal)
        return len(ended) == AT_ONCE
