"""Processes with pipes that the event loop watches, and their end: the same on each of asyncio's loops.

uvloop's own subprocesses keep second descriptors of their pipes, so that nobody would see a child close its output.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from subprocess import PIPE
from typing import cast

from headgate.proxy.input import Pipe

if sys.platform == "win32":
    from asyncio.windows_utils import Popen
else:
    from subprocess import Popen

Process = Popen[bytes]


def start(command: Sequence[str], env: Mapping[str, str], cwd: str | None) -> Process:
    """Start a process in a group of its own.

    Raises:
        OSError: It could not be started.

    """
    alone = sys.platform != "win32"
    return Popen(  # noqa: S603 - the operator's own command
        command, bufsize=0, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=env, cwd=cwd, start_new_session=alone
    )


def when_ended(process: Process, tell: Callable[[], None]) -> None:
    """Collect the process when it ends, and call `tell` then."""
    loop = asyncio.get_running_loop()
    if sys.platform == "linux":
        try:
            fd = os.pidfd_open(process.pid)
        except OSError:  # an old kernel, or one that forbids it
            pass
        else:
            loop.add_reader(fd, _collect, loop, fd, process, tell)
            return
    threading.Thread(target=_wait, args=(loop, process, tell), daemon=True, name=f"wait for {process.pid}").start()


def _collect(loop: asyncio.AbstractEventLoop, fd: int, process: Process, tell: Callable[[], None]) -> None:
    loop.remove_reader(fd)
    os.close(fd)
    process.wait()
    tell()


def _wait(loop: asyncio.AbstractEventLoop, process: Process, tell: Callable[[], None]) -> None:
    process.wait()
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell)


async def input_of(process: Process) -> Pipe:
    """The process's stdin, to be written to without waiting."""
    if sys.platform == "win32":
        transport, _ = await asyncio.get_running_loop().connect_write_pipe(asyncio.BaseProtocol, process.stdin)
        return _Overlapped(transport)
    pipe = cast("Pipe", process.stdin)
    os.set_blocking(pipe.fileno(), False)
    return pipe


class _Overlapped:
    """A Windows pipe, which only the event loop can write to."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport

    def fileno(self) -> int:
        return -1

    def write(self, data: bytes | memoryview) -> int:
        if self._transport.get_write_buffer_size():
            return 0
        self._transport.write(data)
        return len(data)

    def close(self) -> None:
        self._transport.abort()
