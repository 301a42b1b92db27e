"""What a process has yet to read: lines in order, given to its pipe as that takes them, and taken back until then.

It is a child of ours, or the client that we are a child of.
"""

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import Callable
from typing import Protocol

if sys.platform == "linux":
    import fcntl
    import termios

_PIECE = 64 * 1024
"""Bytes of lines that are given to the pipe at once; a longer line goes by itself."""
_ENOUGH = 8 * 1024
"""Bytes after which the rest of a turn's lines are not waited for: the reader can as well begin."""
_TRY_AGAIN_S = 0.01


class Pipe(Protocol):
    """What a Windows pipe and a raw file have in common, once they are wrapped."""

    def fileno(self) -> int: ...  # noqa: D102

    def write(self, data: bytes | memoryview, /) -> int | None:
        """How many bytes it has taken; none of them if it has no room."""
        ...

    def close(self) -> None: ...  # noqa: D102


class Slip:
    """One line on its way to its reader."""

    __slots__ = ("begun", "end", "line")

    def __init__(self, line: bytes) -> None:
        """`line` is without its newline."""
        self.line: bytes | None = line
        """`None` once it has been given away or taken back."""
        self.begun = False
        """Whether any byte of it is in the pipe."""
        self.end: int | None = None
        """Its last byte's place in all that went into the pipe, once it is there as a whole."""


class Input:
    """The queue before a pipe."""

    def __init__(self, pipe: Pipe, lost: Callable[[], None]) -> None:
        """`pipe` never lets its writer wait; it is closed with the queue. `lost` is told if the reader closes it."""
        self.waiting = 0
        """Bytes that the pipe has not taken yet."""
        self.broken = False
        """Whether the reader has closed it, or we have."""
        self.emptied: Callable[[], None] = _nobody_waits
        """Told when the pipe has taken everything, after it had no room."""
        self._pipe = pipe
        self._lost = lost
        self._fd = pipe.fileno()
        self._loop = asyncio.get_running_loop()
        self._slips: deque[Slip] = deque()
        self._rest: bytes | memoryview = b""
        """What is left of a line of which the pipe took a part: of this one."""
        self._partial: Slip | None = None
        self._total = 0
        self._gathering = False
        self._blocked = False

    def write(self, line: bytes) -> Slip:
        """Send one line at once if the pipe takes it, and what follows in the same turn of the event loop together."""
        slip = Slip(line)
        if self.broken:
            return slip
        if not self._gathering:
            self._gathering = True
            self._loop.call_soon(self.flush)
            if not self._blocked and self._written_at_once(slip, line):
                return slip
        self._slips.append(slip)
        self.waiting += len(line) + 1
        if self.waiting >= _ENOUGH and not self._blocked:
            self._push()
        return slip

    def _written_at_once(self, slip: Slip, line: bytes) -> bool:
        """Give the pipe a line that nothing waits before, as nearly all lines go; whether there is nothing to queue."""
        try:
            taken = self._pipe.write(line + b"\n") or 0
        except OSError:
            self._break()
            self._lost()
            return True
        if not taken:
            return False
        self._total += taken
        slip.line, slip.begun = None, True
        if taken > len(line):
            slip.end = self._total
        else:
            self._partial, self._rest = slip, memoryview(line + b"\n")[taken:]
            self.waiting = len(self._rest)
            self._block()
        return True

    def take_back(self, slip: Slip) -> bool:
        """Whether the line could be kept from the reader: none of it will ever be sent."""
        if slip.begun:
            return False
        if slip.line is not None:
            self.waiting -= len(slip.line) + 1
            slip.line = None
        return True

    @property
    def written(self) -> int:
        """Bytes that were to be sent so far, but for those taken back."""
        return self._total + self.waiting

    def read_to(self) -> int:
        """How far the reader has come; where the system does not tell, how far its pipe has."""
        return self._total - _unread(self._fd) if not self.broken else self._total

    def close(self) -> None:
        """Send nothing more, not even what waits, and let the reader see the end."""
        if not self.broken:
            self._break()

    def flush(self) -> None:
        """Give the pipe what it takes, without waiting for what else is sent in this turn."""
        self._gathering = False
        if self._slips and not self._blocked and not self.broken:
            self._push()

    def _push(self) -> None:
        """Give the pipe as much as it takes."""
        while piece := self._rest or self._next_piece():
            try:
                taken = self._pipe.write(piece) or 0
            except OSError:
                self._break()
                self._lost()
                return
            self.waiting -= taken
            self._total += taken
            if self._rest:
                self._rest = self._rest[taken:]
                if self._partial is not None and not self._rest:
                    self._partial.end = self._total
            else:
                self._note(taken)
            if taken < len(piece):
                self._block()
                return
        self._unblock()

    def _next_piece(self) -> bytes:
        lines: list[bytes] = []
        size = 0
        while self._slips and self._slips[0].line is None:
            self._slips.popleft()
        for slip in self._slips:
            if slip.line is not None:
                lines.append(slip.line)
                size += len(slip.line) + 1
                if size >= _PIECE:
                    break
        if lines:
            lines.append(b"")
        return b"\n".join(lines)

    def _note(self, taken: int) -> None:
        """The pipe has taken so many bytes of the lines at the head of the queue."""
        place = self._total - taken
        while taken > 0:
            slip = self._slips.popleft()
            line, slip.line = slip.line, None
            if line is None:
                continue
            slip.begun = True
            if taken <= len(line):
                self._partial, self._rest = slip, memoryview(line + b"\n")[taken:]
                return
            taken -= len(line) + 1
            place += len(line) + 1
            slip.end = place

    def _block(self) -> None:
        """Go on when the pipe has room again."""
        if sys.platform == "win32":
            self._loop.call_later(_TRY_AGAIN_S, self._try_again)
        elif not self._blocked:
            self._loop.add_writer(self._fd, self._try_again)
        self._blocked = True

    def _try_again(self) -> None:
        if not self.broken:
            self._push()

    def _unblock(self) -> None:
        if self._blocked:
            self._blocked = False
            if sys.platform != "win32":
                self._loop.remove_writer(self._fd)
            self.emptied()

    def _break(self) -> None:
        self.broken = True
        self._slips.clear()
        self._rest = b""
        self.waiting = 0
        self._unblock()
        self._pipe.close()


def _nobody_waits() -> None:
    pass


def _unread(fd: int) -> int:
    """Bytes that are in a pipe, seen from the end that writes. Only Linux says so."""
    if sys.platform != "linux":
        return 0
    count = bytearray(4)
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, termios.FIONREAD, count)
    return int.from_bytes(count, sys.byteorder)
