"""A client that times out and tries again, in front of a write that takes longer than it waits.

`python bench/hasty_client.py`. The server (tests/crashes/till.py) keeps its own account of each effect.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from contestants import FASTMCP_PROXY
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

TILL = Path(__file__).resolve().parents[1] / "tests" / "crashes" / "till.py"
WAITS_S, TAKES_S, TRIES, PAYMENTS = 1.0, 1.5, 3, 5


async def pays(command: list[str], folder: Path, *, through_headgate: bool) -> list[str]:
    """Make each payment, and again when no answer has come in time; what the client was told last of each."""
    environment = {**os.environ, "XDG_STATE_HOME": str(folder)}
    server = StdioServerParameters(command=command[0], args=command[1:], env=environment, cwd=str(folder))
    told: list[str] = []
    with (folder / "stderr").open("a") as errlog:
        async with Client(stdio_client(server, errlog=errlog)) as client:
            await client.list_tools()
            for number in range(PAYMENTS):
                told += [await _pay(client, f"payment-{number}", through_headgate=through_headgate)]
            # What is still under way ends before the account is read.
            await asyncio.sleep(TRIES * 2 * TAKES_S)
    return told


async def _pay(client: Client, tag: str, *, through_headgate: bool) -> str:
    arguments: dict[str, Any] = {"tag": tag, "pause_s": TAKES_S / 2}
    call = {"tool": "pay", "arguments": arguments, "idempotency_key": tag}
    for _ in range(TRIES):
        with contextlib.suppress(Exception):
            if not through_headgate:
                answer = await client.call_tool("pay", arguments, read_timeout_seconds=WAITS_S)
                return "error" if answer.is_error else "ok"
            reply = await client.call_tool("batch_call", {"calls": [call]}, read_timeout_seconds=WAITS_S)
            body: Any = reply.structured_content
            slot = body["results"][0]
            return str(slot.get("error_code", slot["status"]))
    return "no answer"


def main() -> None:
    """Run each, and print how often each payment was made."""
    ways: list[tuple[str, list[str], bool]] = [("straight to the server", [], False)]
    if importlib.util.find_spec("fastmcp") is not None:
        ways.append(("FastMCP proxy", [sys.executable, "-c", FASTMCP_PROXY], False))
    ways.append(("headgate", [sys.executable, "-m", "headgate", "--"], True))
    for name, front, through_headgate in ways:
        with TemporaryDirectory() as place:
            account = Path(place) / "account"
            command = [*front, sys.executable, str(TILL), str(account)]
            told = asyncio.run(pays(command, Path(place), through_headgate=through_headgate))
            made = Counter(line.split()[1] for line in account.read_text().splitlines() if line.startswith("after "))
        print(f"{name}: made {sorted(made.values())} times, the client was told {dict(Counter(told))}")


if __name__ == "__main__":
    main()
