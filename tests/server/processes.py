"""headgate as a process of its own, spoken to in lines, every wait bounded."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.upstreams.running import recorder_command

WAIT_S = 20.0
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "lines", "version": "1"},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def request(identity: int | str, method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}


def call(identity: int | str, tool: str, **arguments: Any) -> dict[str, Any]:
    return request(identity, "tools/call", {"name": tool, "arguments": arguments})


def serving(log: Path) -> list[str]:
    """The command that serves in front of a recorder writing to `log`."""
    program, args = recorder_command(log)
    return [sys.executable, "-m", "headgate", "--", program, *args]


class Lines:
    """One process, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._read = b""

    def send(self, *messages: dict[str, Any] | bytes) -> None:
        """Write messages, each a line of its own; bytes go out as they are."""
        assert self.process.stdin is not None
        for message in messages:
            line = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
            self.process.stdin.write(line)
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """The next message."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + WAIT_S
        while b"\n" not in self._read:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError(f"no message in {WAIT_S:g} s")
            piece = os.read(self.process.stdout.fileno(), 1 << 20)
            assert piece, "it closed its stdout"
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        return json.loads(line)

    def answer(self) -> dict[str, Any]:
        """The next message that is an answer."""
        while "id" not in (message := self.receive()):
            pass
        return message

    def shake_hands(self) -> dict[str, Any]:
        self.send(request("hello", "initialize", INITIALIZE))
        answer = self.answer()
        self.send(INITIALIZED)
        return answer["result"]

    def ask(self, identity: int | str, tool: str, **arguments: Any) -> dict[str, Any]:
        """The result of one call."""
        self.send(call(identity, tool, **arguments))
        answer = self.answer()
        assert answer["id"] == identity
        return answer["result"]

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def rest(self) -> tuple[bytes, bytes]:
        """What is still to come on stdout and stderr, until the process ends."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.wait(WAIT_S)
        return self._read + self.process.stdout.read(), self.process.stderr.read()


@contextmanager
def running(command: Sequence[str]) -> Generator[Lines]:
    """The process of `command`, killed in the end if it is still there."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield Lines(process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
