"""What a server process may cost in memory, and what is left of a thousand of them."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.leaks import HAS_PROC, Snapshot, own_processes
from tests.proxy.loops import on_each_loop
from tests.proxy.misbehaving import data_of, opened

CYCLES = int(os.environ.get("HEADGATE_CYCLES", "30"))
"""Starts and stops; 1,000 for the whole figure."""
AT_ONCE = 5
LIMIT = 8_000_000


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# A child that answers with a line of so many bytes, or with one that has no end at all.
SERVER = """
import json, os, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
    elif message.get("method") == "tools/call":
        arguments = message["params"]["arguments"]
        os.write(1, b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"' % message["id"])
        for _ in range(arguments["mb"]):
            piece = memoryview(b"x" * 1_000_000)
            while piece:
                piece = piece[os.write(1, piece):]
        os.write(1, b'"}]}}\\n')
        continue
    else:
        result = None
    if "id" in message:
        body = {"result": result} if result else {"error": {"code": -32601, "message": "no"}}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}), flush=True)
"""
CLIENT = """
import asyncio, re, sys
from pathlib import Path
from headgate.proxy.connection import CallFailedError, Opening
from headgate.proxy.stdio import stdio_opener
from headgate.proxy.target import StdioTarget

def peak_kb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

async def main(mb):
    target = StdioTarget(sys.executable, ("-S", "-c", sys.argv[2]))
    async with stdio_opener(target)(Opening("s", lambda: None)) as connection:
        await connection.call_tool("t", {"mb": 0})
        before = peak_kb()
        try:
            await connection.call_tool("t", {"mb": mb})
        except CallFailedError as failed:
            print(failed.code, peak_kb() - before, failed)

asyncio.run(main(int(sys.argv[1])))
"""


@pytest.mark.skipif(not HAS_PROC, reason="measured by /proc")
@pytest.mark.parametrize(
    ("mb", "why"),
    [
        (64, "its answer is too large: it is 64 MB, and 8 MB is the limit"),
        (1_073, "its answer is too large: it is more than 128 MB, and 8 MB is the limit"),
    ],
)
def test_however_long_a_line_is_the_memory_grows_by_three_times_the_limit_at_most(mb: int, why: str) -> None:
    command = [sys.executable, "-c", CLIENT, str(mb), SERVER]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    code, grown_kb, said = ran.stdout.strip().split(" ", 2)
    assert (code, said.replace(".1 MB", " MB")) == ("RESULT_TOO_LARGE", why)
    assert int(grown_kb) * 1024 <= 3 * LIMIT


@pytest.mark.skipif(not HAS_PROC, reason="seen in /proc")
@on_each_loop
async def test_of_all_that_was_started_and_stopped_no_process_and_no_file_is_left() -> None:
    before = Snapshot(os.environ["HEADGATE_TEST_MARK"])

    async def once(number: int) -> None:
        async with opened() as connection:
            if number % 3 == 0:
                await data_of(connection, "grandchild", holds=number % 2 == 0)

    async with opened() as connection:
        await data_of(connection, "echo")
    files = open_files()
    for first in range(0, CYCLES, AT_ONCE):
        async with asyncio.TaskGroup() as tasks:
            for number in range(first, min(first + AT_ONCE, CYCLES)):
                tasks.create_task(once(number))
    async with asyncio.timeout(3):
        while own_processes(before):  # noqa: ASYNC110 - the last ones have been killed, and nobody tells when they are gone
            await asyncio.sleep(0.02)
    assert open_files() <= files + 1
