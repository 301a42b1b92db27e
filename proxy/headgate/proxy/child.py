"""A child process that speaks in lines: started in a group of its own, watched, bounded, and surely ended."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from headgate.proxy.connection import UnavailableError
from headgate.proxy.redact import redacted, secrets_in
from headgate.proxy.target import StdioTarget

MAX_LINE = 32 * 1024 * 1024
"""Bytes of one line of a child's output. A longer one ends the child: what comes after it cannot be made out."""
MAX_UNREAD = 32 * 1024 * 1024
"""Bytes that may wait for a child to read them."""
STDERR_KEPT = 64 * 1024
"""Bytes of a child's latest complaints that are kept, to say why it ended."""
_GRACE_S = 1.0
"""How long a child has to end after its input was closed, and again after SIGTERM."""
_LAST_WORDS_S = 0.2
"""How long output may still come after the process has ended; a grandchild may hold the pipe open for ever."""
_MAX_WORDS = 300


class Child(asyncio.SubprocessProtocol):
    """The process behind one stdio upstream."""

    def __init__(
        self, on_line: Callable[[bytes], None], on_end: Callable[[str], None], secrets: frozenset[str]
    ) -> None:
        """`on_end` is called once, with a reason that holds none of `secrets`."""
        self._on_line = on_line
        self._on_end = on_end
        self._secrets = secrets
        self._partial: list[bytes] = []
        self._partial_size = 0
        self._out: list[bytes] = []
        self._flushing = False
        self._stderr = bytearray()
        self._stderr_cut = False
        self._ended = False
        self.exited = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a process that has started."""
        self._process = cast("asyncio.SubprocessTransport", transport)
        self._stdin = cast("asyncio.WriteTransport", self._process.get_pipe_transport(0))

    @property
    def listens(self) -> bool:
        """Whether what is written can still reach it."""
        return not self.exited.done() and not self._stdin.is_closing()

    @property
    def unread(self) -> int:
        """Bytes that the child has not read yet."""
        return self._stdin.get_write_buffer_size()

    def write(self, line: bytes) -> None:
        """Send one line at once, and what follows in the same turn of the event loop as one piece."""
        if self._flushing:
            self._out.append(line)
            return
        self._flushing = True
        asyncio.get_running_loop().call_soon(self._flush)
        if not self._stdin.is_closing():
            self._stdin.write(line + b"\n")

    def _flush(self) -> None:
        self._flushing = False
        if self._out and not self._stdin.is_closing():
            self._out.append(b"")
            self._stdin.write(b"\n".join(self._out))
        self._out.clear()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Cut output into lines, looking at each byte once."""
        if fd == 2:
            self._keep_stderr(data)
            return
        start = 0
        while (end := data.find(b"\n", start)) != -1:
            line = data[start:end]
            if self._partial:
                line = b"".join((*self._partial, line))
                self._partial.clear()
                self._partial_size = 0
            start = end + 1
            if line and not line.isspace():
                self._on_line(line)
        if start < len(data):
            self._partial.append(data[start:])
            self._partial_size += len(data) - start
            if self._partial_size > MAX_LINE:
                self._partial.clear()
                self._end(f"it sent a line of more than {MAX_LINE // 1024 // 1024} MB")
                self._signal(signal.SIGKILL)

    def _keep_stderr(self, data: bytes) -> None:
        self._stderr += data
        if len(self._stderr) > STDERR_KEPT:
            del self._stderr[:-STDERR_KEPT]
            self._stderr_cut = True

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """A child that has closed its output will answer nothing more."""
        del exc
        if fd == 1:
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, self._end)

    def process_exited(self) -> None:
        """Note that the process has ended, and give what it still said time to arrive."""
        if not self.exited.done():
            self.exited.set_result(None)
        asyncio.get_running_loop().call_later(_LAST_WORDS_S, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing can arrive any more: the process has ended and its pipes are closed."""
        del exc
        self._end()

    def _end(self, reason: str | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        reason = reason or _how_it_ended(self._process.get_returncode())
        words = self.last_words()
        self._on_end(f"{reason}: {words}" if words else reason)

    def last_words(self) -> str:
        """The last line that the child wrote to its stderr, without secrets."""
        said = redacted(self._stderr.decode(errors="replace"), self._secrets).strip()
        before, _, line = said.rpartition("\n")
        if self._stderr_cut and not before:
            # The line began before what is kept, and a secret may have been cut in two there.
            line = line[max(map(len, self._secrets), default=0) :]
        return line.strip()[:_MAX_WORDS]

    async def stop(self) -> None:
        """End the process and all that it started: input closed, then SIGTERM, then SIGKILL.

        Cancelled meanwhile, it goes to the last of these at once.
        """
        self._ended = True
        self._stdin.close()
        try:
            for force in (None, signal.SIGTERM, signal.SIGKILL):
                if force is not None:
                    self._signal(force)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(self.exited), _GRACE_S)
                    break
        finally:
            self._signal(signal.SIGKILL)
            self._process.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.get_pid(), number)


@asynccontextmanager
async def started(
    target: StdioTarget, on_line: Callable[[bytes], None], on_end: Callable[[str], None]
) -> AsyncGenerator[Child]:
    """Run the process of `target` for as long as the context is open.

    Raises:
        UnavailableError: It could not be started.

    """
    secrets = secrets_in(target.env)
    loop = asyncio.get_running_loop()
    try:
        _, child = await loop.subprocess_exec(
            lambda: Child(on_line, on_end, secrets),
            target.command,
            *target.args,
            env=_environment(target.env),
            cwd=target.cwd,
            start_new_session=sys.platform != "win32",
        )
    except FileNotFoundError:
        raise UnavailableError(f"cannot start it: {_missing(target)} is not there") from None
    except OSError as broken:
        reason = broken.strerror or "the system refused"
        raise UnavailableError(f'cannot start the command "{target.command}": {reason}') from None
    try:
        yield child
    finally:
        await child.stop()


def _missing(target: StdioTarget) -> str:
    if target.cwd is not None and not Path(target.cwd).is_dir():
        return f'its folder "{target.cwd}"'
    return f'the command "{target.command}"'


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "it closed its output"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with exit code {code}"


def _environment(added: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **added}
