"""Ways to start the recorder: as a command for a config, or as a server on a free loopback port."""

import select
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

Served = Literal["http", "old", "sse"]
"""Streamable HTTP in both eras, in the handshake era alone, and the legacy SSE transport."""
START_LIMIT_S = 40
STOP_LIMIT_S = 5


def recorder_command(log: Path) -> tuple[str, list[str]]:
    """Program and arguments of a recorder over stdio."""
    return sys.executable, [str(Path(__file__).with_name("recorder.py")), "--log", str(log)]


def recorder_upstream(log: Path, **rules: Any) -> dict[str, Any]:
    """The same as a table of headgate.toml, with rules such as `concurrency` or `tools`."""
    command, args = recorder_command(log)
    return {"command": command, "args": args, **rules}


def declaring(description: str, **rules: Any) -> dict[str, Any]:
    """A table of headgate.toml for a server whose one tool says of itself what it is told to say."""
    return {"command": sys.executable, "args": [str(Path(__file__).with_name("declaring.py")), description], **rules}


def echoing_command() -> tuple[str, ...]:
    """Program and arguments of a server whose tools give back their arguments."""
    return sys.executable, "-S", str(Path(__file__).with_name("echoing.py"))


@contextmanager
def recorder_served(log: Path, transport: Served, port: int = 0) -> Generator[str]:
    """The URL of a recorder that listens, on a free port or on `port`, until the block ends."""
    command, args = recorder_command(log)
    with subprocess.Popen([command, *args, f"--{transport}", str(port)], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield first_line(process)
        finally:
            process.terminate()
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    """What the process prints first, waited for with a bound."""
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], START_LIMIT_S)[0]:
        raise TimeoutError(f"{process.args} printed nothing in {START_LIMIT_S} s")
    line = process.stdout.readline().strip()
    assert line, f"{process.args} ended with exit code {process.wait(STOP_LIMIT_S)}"
    return line


def served_upstream(url: str, **rules: Any) -> dict[str, Any]:
    """A served recorder as a table of headgate.toml; that its tools are reads has to be believed for a URL."""
    legacy = {"transport": "sse"} if url.endswith("/sse") else {}
    return {"url": url, "trust_annotations": True, **legacy, **rules}
