"""Two processes that make the same writes with the same keys over one journal at the same moment.

`python tests/crashes/race.py [KEYS]`: 10,000 by default.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from headgate.proxy.memory import MemoryUpstream  # noqa: E402 - the path comes first
from headgate.server.opening import gate_over  # noqa: E402
from headgate.server.settings import HeadgateSettings, Settings  # noqa: E402
from headgate.tools.rules import UpstreamRules  # noqa: E402

AT_ONCE = 50
TOOL = {"name": "pay", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": False}}


def race(keys: int, folder: Path, racers: int = 2) -> tuple[Counter[str], Counter[str]]:
    """How often each key's write was made, and how the calls of all racers ended."""
    account = folder / "account"
    start_at = time.monotonic() + 0.5
    children = [_racer(keys, folder, start_at) for _ in range(racers)]
    ended: Counter[str] = Counter()
    for child, pipe in children:
        with os.fdopen(pipe, "rb") as read:
            ended.update(read.read().decode().split())
        os.waitpid(child, 0)
    return Counter(account.read_text().split()), ended


def _racer(keys: int, folder: Path, start_at: float) -> tuple[int, int]:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            ended = asyncio.run(_run(keys, folder, start_at))
            with os.fdopen(write, "wb") as pipe:
                pipe.write(" ".join(ended).encode())
        finally:
            os._exit(0)
    os.close(write)
    return child, read


async def _run(keys: int, folder: Path, start_at: float) -> list[str]:
    account = os.open(folder / "account", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def pay(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        os.write(account, f"{arguments['key']}\n".encode())
        return {"content": [], "structuredContent": {"paid": True}}

    ended: list[str] = []
    settings = Settings(HeadgateSettings(journal=folder / "journal.db", serialize="resource"), {})
    upstream = MemoryUpstream([TOOL], {"pay": pay})
    async with gate_over(settings, {"till": (UpstreamRules(), upstream.open)}) as gate:
        await gate.settled(5)
        time.sleep(max(0.0, start_at - time.monotonic()))  # noqa: ASYNC251 - all racers at the same moment

        async def one(key: str) -> None:
            call = {"tool": "pay", "arguments": {"key": key}, "idempotency_key": key}
            (result,) = (await gate.batch([call]))["results"]
            ended.append(f"{result.get('error_code', result['status'])}{'-replayed' if 'replayed' in result else ''}")

        for first in range(0, keys, AT_ONCE):
            async with asyncio.TaskGroup() as tasks:
                for number in range(first, min(first + AT_ONCE, keys)):
                    tasks.create_task(one(f"key-{number}"))
    return ended


def main() -> int:
    keys = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with TemporaryDirectory() as folder:
        began = time.monotonic()
        made, ended = race(keys, Path(folder))
        seconds = time.monotonic() - began
    times = Counter(made.values())
    print(f"{keys} keys, 2 processes, {seconds:.0f} s: made {dict(times)} times; calls ended {dict(ended)}")  # noqa: T201
    return 0 if times == {1: keys} else 1


if __name__ == "__main__":
    sys.exit(main())
