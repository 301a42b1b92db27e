"""The lock file: what each tool's definition was when it was first seen or last accepted.

`file` reads and writes it, `keeper` keeps it and the pins of a running gate in step, `waiting` finds what is other; the
last is imported by its own name, for no start has to wait for it.
"""

from headgate.server.lock.file import LockError, read_lock, write_pins
from headgate.server.lock.keeper import keeping

__all__ = ["LockError", "keeping", "read_lock", "write_pins"]
