"""The machine that this process runs on, and how to start this same headgate again."""

import os
import sys
from pathlib import Path

from headgate.server.clients.places import Machine, Platform


def this_machine() -> Machine:
    """All that the clients' paths depend on, here and now."""
    known: dict[str, Platform] = {"darwin": "darwin", "win32": "win32"}
    return Machine(known.get(sys.platform, "linux"), Path.home(), os.environ, Path.cwd())


def own_command(started_as: str, python: str) -> list[str]:
    """Words that start this headgate from anywhere: its script by full path, else its module.

    Links are not followed: the one in a user's bin folder outlives the environment that it points into.
    """
    script = Path(started_as)
    beside = Path(python).with_name("headgate.exe" if os.name == "nt" else "headgate")
    for place in (script, beside):
        if place.stem == "headgate" and place.is_file():
            return [str(place.absolute())]
    return [python, "-m", "headgate"]
