"""One write in a process that is killed at a certain place, the same write again in another, and what came of it.

The oracle stands outside: the till writes down each effect before and after, and only that account and what the second
process was told are looked at.
"""

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.proxy.journal.failpoint import arm
from headgate.proxy.stdio import stdio_opener
from headgate.proxy.target import StdioTarget
from headgate.server.opening import gate_over
from headgate.server.settings import HeadgateSettings, Settings
from headgate.tools.rules import UpstreamRules

TILL = Path(__file__).with_name("till.py")
PAUSE_S = 0.01
END_LIMIT_S = 10.0

NOT_SENT = ("migrated", "asked", "looked", "queued", "writing:2", "written:2")
"""Places at which nothing can have gone out: the second process makes the write."""
IN_DOUBT = ("committed:2", "claimed", "sending", "before", "after", "answered", "writing:3", "written:3")
"""Between the intent and the recorded outcome: nobody can know, and nobody makes it again."""
WATCHED = ("before", "after")
"""Of these, where the till has got so far: on a busy machine the answer may be on record before this is seen."""
KNOWN = ("committed:3", "settled", "replied")
"""The outcome is on record: the second process is told it."""
PLACES = (*NOT_SENT, *IN_DOUBT, *KNOWN)


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one write."""

    place: str
    killed: bool
    effects: tuple[int, int]
    """How often the till began it, and ended it."""
    told: str
    """How it ended for the second process: `ok`, or an error code."""
    replayed: bool

    def fault(self) -> str | None:
        """What is wrong with it."""
        began, ended = self.effects
        if not self.killed:
            return "was not killed"
        if began > 1:
            return f"was made {began} times"
        if self.place in NOT_SENT and (self.told, self.replayed, ended) != ("ok", False, 1):
            return "was lost"
        if self.place in KNOWN and (self.told, self.replayed, ended) != ("ok", True, 1):
            return "was on record, and is not"
        if self.place in WATCHED and (self.told, self.replayed, ended) == ("ok", True, 1):
            return None
        if self.place in IN_DOUBT and (self.told, self.replayed) != ("OUTCOME_UNKNOWN", True):
            return "was in doubt, and nobody says so"
        return None


def run_trial(place: str, tag: str, folder: Path) -> Trial:
    """Run one; journal and account are those of `folder`."""
    account = folder / "account"
    killed = _in_a_process(place, tag, folder) is None
    _until_tills_have_ended(account)
    told = _in_a_process("", tag, folder) or {"status": "killed"}
    _until_tills_have_ended(account)
    lines = account.read_text().splitlines() if account.exists() else []
    effects = tuple(sum(line.startswith(f"{word} {tag} ") for line in lines) for word in ("before", "after"))
    status = str(told.get("error_code", told["status"]))
    return Trial(place, killed, (effects[0], effects[1]), status, told.get("replayed") is True)


def _in_a_process(place: str, tag: str, folder: Path) -> dict[str, Any] | None:
    """The write's envelope as a process of its own got it; `None` where it was killed before."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            os.write(write, json.dumps(asyncio.run(_pay(place, tag, folder))).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    return None if os.WIFSIGNALED(status) else json.loads(said)


async def _pay(place: str, tag: str, folder: Path) -> dict[str, Any]:
    if place not in ("", *WATCHED, "replied"):
        arm(place)
    account = folder / "account"
    settings = Settings(HeadgateSettings(journal=folder / "journal.db"), {})
    till = StdioTarget(sys.executable, ("-S", "-E", str(TILL), str(account)))
    call = {"tool": "pay", "arguments": {"tag": tag, "pause_s": PAUSE_S}, "idempotency_key": tag}
    async with (
        gate_over(settings, {"till": (UpstreamRules(), stdio_opener(till))}) as gate,
        asyncio.TaskGroup() as tasks,
    ):
        watching = tasks.create_task(_die_at(place, tag, account))
        reply = await gate.batch([call])
        if place == "replied":
            os.kill(os.getpid(), signal.SIGKILL)
        watching.cancel()
    return reply["results"][0]


async def _die_at(place: str, tag: str, account: Path) -> None:
    """Die when the till has got so far with the write."""
    while place in WATCHED:
        if account.exists() and f"{place} {tag} " in account.read_text():  # noqa: ASYNC240
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.sleep(0.001)


def _until_tills_have_ended(account: Path) -> None:
    """A till whose headgate was killed ends what it has begun before it goes."""
    if not account.exists():
        return
    started = [line.split()[1] for line in account.read_text().splitlines() if line.startswith("start ")]
    deadline = time.monotonic() + END_LIMIT_S
    while started and _runs(started[-1]):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the till {started[-1]} does not end")
        time.sleep(0.002)


def _runs(pid: str) -> bool:
    with suppress(OSError):
        return (Path("/proc") / pid / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
