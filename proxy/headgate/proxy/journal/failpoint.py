"""Places at which a test can have this process killed, to see what the journal makes of it. Without a test: nothing.

`HEADGATE_FAILPOINT=NAME` ends the process by SIGKILL when the place of that name is reached for the first time;
`NAME:3`, for the third.
"""

import os
import signal

_armed: dict[str, int] = {}
"""How often each place may still be passed."""


def arm(said: str) -> None:
    """Have this process killed at a place."""
    place, _, times = said.partition(":")
    _armed[place] = int(times or "1") - 1


def reach(place: str) -> None:
    """Go on; or die here, if that was asked for."""
    if not _armed:
        return
    left = _armed.get(place)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    elif left is not None:
        _armed[place] = left - 1


if said := os.environ.get("HEADGATE_FAILPOINT"):
    arm(said)
