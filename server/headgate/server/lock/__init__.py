"""The lock file: what each tool's definition was when it was first seen or last accepted.

`file` reads and writes it, `keeper` keeps it and the pins of a running gate in step, `waiting` finds what is other.
"""

from headgate.server.lock.file import LockError, read_lock, write_pins
from headgate.server.lock.keeper import keeping
from headgate.server.lock.waiting import Waiting, unknown_in, waiting_in

__all__ = ["LockError", "Waiting", "keeping", "read_lock", "unknown_in", "waiting_in", "write_pins"]
