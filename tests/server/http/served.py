"""headgate over streamable HTTP, as a real process on a free port."""

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.config import write_config
from tests.server.processes import WAIT_S
from tests.upstreams.running import recorder_upstream

ACCEPT = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}


class Served:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.said: bytes = b""
        self.url = self.wait_for(rb"serving at ([^\s\"]+)")[1].decode()

    def wait_for(self, words: bytes) -> re.Match[bytes]:
        """Read what it says on stderr until `words`, a pattern, are found in all that it has said."""
        assert self.process.stderr is not None
        deadline = time.monotonic() + WAIT_S
        while (found := re.search(words, self.said)) is None:
            ready, _, _ = select.select([self.process.stderr], [], [], deadline - time.monotonic())
            piece = os.read(self.process.stderr.fileno(), 1 << 16) if ready else b""
            assert piece, f"it never said {words!r}, but {self.said!r}"
            self.said += piece
        return found

    def end(self, number: int) -> float:
        """Send the signal, and give the seconds until the process has ended."""
        asked = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(WAIT_S)
        return time.monotonic() - asked


@contextmanager
def served(folder: Path, *more: str, tables: dict[str, Any] | None = None) -> Generator[Served]:
    """One in front of a recorder, without auth where `tables` name no tenants; `more` are arguments."""
    config = write_config(folder, {"recorder": recorder_upstream(folder / "log.jsonl")}, **(tables or {}))
    command = [sys.executable, "-m", "headgate", "serve", "--config", str(config), "--http", "127.0.0.1:0", *more]
    if not (tables or {}).get("tenants"):
        command.append("--no-auth")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            yield Served(process)
        finally:
            if process.poll() is None:
                process.kill()
