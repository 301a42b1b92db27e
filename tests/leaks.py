"""What a test left behind: processes, threads and open files, told apart from what stood there before it.

A process counts as the test's own if it descends from this one, or if its environment carries the test's mark: that
finds the grandchild whose parent is dead, which the process tree no longer connects with us.
"""

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

MARK = "HEADGATE_TEST_MARK"
GRACE_S = float(os.environ.get("HEADGATE_TEST_GRACE_S", "3"))
"""How long a process or thread that is already ending may take. What is not ending is reported after it."""
SPARE_FILES = 2
"""Files that a test may leave open: what libraries open once and keep, such as a random source."""
_PROC = Path("/proc")
HAS_PROC = (_PROC / "self/environ").exists()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What there is outside the test, taken before it starts."""

    mark: str
    pids: frozenset[int] = field(default_factory=lambda: frozenset(_pids()))
    threads: frozenset[threading.Thread] = field(default_factory=lambda: frozenset(threading.enumerate()))
    files: Mapping[int, str] = field(default_factory=lambda: dict(_open_files()))


def leaks_since(before: Snapshot) -> list[str]:
    """One line for each thing that is still there after its grace. Processes among them are ended."""
    deadline = time.monotonic() + GRACE_S
    while (processes := own_processes(before)) and time.monotonic() < deadline:
        time.sleep(0.01)
    lines = [f"process {pid}: {_command(pid)}" for pid in processes]
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return lines + [f"thread {name}" for name in _threads(before, deadline)] + _files(before)


def own_processes(before: Snapshot) -> list[int]:
    """List what started since `before`, is ours, and has not ended."""
    new = _pids() - before.pids
    mark = f"{MARK}={before.mark}".encode()
    return sorted(pid for pid in new if _state(pid) not in "ZX" and (_marked(pid, mark) or _descends(pid)))


def _open_files() -> dict[int, str]:
    """File descriptors of this process and what each stands for."""
    if not HAS_PROC:
        return {}
    found: dict[int, str] = {}
    for entry in (_PROC / "self/fd").iterdir():
        with suppress(OSError):
            found[int(entry.name)] = str(entry.readlink())
    return found


def _threads(before: Snapshot, deadline: float) -> Iterator[str]:
    for thread in set(threading.enumerate()) - before.threads:
        if not thread.daemon:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                yield thread.name


def _files(before: Snapshot) -> list[str]:
    if len(_open_files()) - len(before.files) <= SPARE_FILES:
        return []
    gc.collect()  # a file held only by a cycle is closed by its collection, and warns then
    after = _open_files()
    if len(after) - len(before.files) <= SPARE_FILES:
        return []
    return [f"open file {what}" for number, what in after.items() if before.files.get(number) != what]


def _pids() -> set[int]:
    return {int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()} if HAS_PROC else set()


def _marked(pid: int, mark: bytes) -> bool:
    with suppress(OSError):
        return mark in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    return False


def _descends(pid: int) -> bool:
    for _ in range(64):
        parent = _stat(pid)[1]
        if parent == str(os.getpid()):
            return True
        if parent in {"0", "1"}:
            return False
        pid = int(parent)
    return False


def _state(pid: int) -> str:
    return _stat(pid)[0]


def _stat(pid: int) -> tuple[str, str]:
    """State and parent of a process; one that is gone is dead and has no parent."""
    with suppress(OSError):
        after_name = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return after_name[0], after_name[1]
    return "X", "0"


def _command(pid: int) -> str:
    with suppress(OSError):
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
    return "?"
