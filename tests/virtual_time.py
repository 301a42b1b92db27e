"""An asyncio loop whose clock is a number: an hour of sleeping takes no time at all.

When nothing is ready the selector does not wait, it moves the clock to the next timer. That holds only where nothing
comes from outside the loop: in-memory upstreams, no sockets, no processes, no worker threads.

    pytestmark = in_virtual_time
    async def test_a_minute_passes_at_once() -> None: ...
"""

import asyncio
import selectors

import pytest

TICK_S = 1e-6
"""Each turn of the loop takes this long. With a frozen clock a limiter that sleeps for a float's residue, which is less
than the clock can show, would spin for ever."""
STEP_LIMIT = 1_000_000


class DeadlockError(BaseException):
    """Nothing is ready and no timer is set: no task can ever go on.

    Like KeyboardInterrupt it is no Exception, or asyncio would log it and wait on.
    """


class StepLimitError(BaseException):
    """The loop turned too often for one test: something spins."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop for `anyio_backend = ("asyncio", {"loop_factory": VirtualLoop})`."""

    def __init__(self, step_limit: int = STEP_LIMIT) -> None:
        self._now = 0.0
        self._steps = 0
        self._step_limit = step_limit
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._now

    def run_forever(self) -> None:
        self._steps = 0
        super().run_forever()

    def turn(self, timeout: float | None) -> None:
        """Let the clock do what waiting `timeout` seconds would have done; None stands for ever."""
        if timeout is None:
            raise DeadlockError("every task waits for another one: nothing is ready and no timer is set")
        self._steps += 1
        if self._steps > self._step_limit:
            raise StepLimitError(f"{self._step_limit} turns of the loop, at {self._now:.6f} s: something spins")
        self._now += max(timeout, TICK_S)


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        self._loop.turn(0 if ready else timeout)
        return ready


VIRTUAL_BACKEND = ("asyncio", {"loop_factory": VirtualLoop})
in_virtual_time = pytest.mark.parametrize("anyio_backend", [pytest.param(VIRTUAL_BACKEND, id="virtual_time")])
"""Put it on a test, or on a whole file as `pytestmark`."""
