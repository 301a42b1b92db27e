"""Upstreams that are slow to start, or break just when the gate closes."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import anyio
import pytest
from tests.config import write_config
from tests.real.gates import ready_gate
from tests.upstreams.record import Record
from tests.upstreams.running import Served, recorder_command, recorder_served, served_upstream

from headgate.server.opening import open_gate

Within = Callable[[float], AbstractContextManager[anyio.CancelScope]]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "log.jsonl")


async def test_an_upstream_that_takes_four_seconds_to_start_comes_up_at_its_first_opening(
    tmp_path: Path, record: Record
) -> None:
    command, args = recorder_command(record.log)
    slow = {"command": command, "args": [*args, "--start-after", "4"]}
    async with open_gate(write_config(tmp_path, {"recorder": slow})) as gate:
        await gate.settled(20)
        (state,) = gate.upstreams()

    assert (state.state, state.reason) == ("ready", None)


@pytest.mark.parametrize("transport", ["http", "old", "sse"])
async def test_a_gate_closes_soon_though_its_upstream_breaks_at_that_moment(
    tmp_path: Path, record: Record, within: Within, transport: Served
) -> None:
    loop = asyncio.get_running_loop()
    calls = [{"tool": "recorder__wait", "arguments": {"ms": 1, "tag": "x"}}]
    with recorder_served(record.log, transport) as url, within(12):
        async with ready_gate(write_config(tmp_path, {"recorder": served_upstream(url)})) as gate:
            await gate.batch(calls)
            (pid,) = record.pids()
            os.kill(pid, signal.SIGKILL)
            await gate.batch(calls)
            ended = loop.time()
        assert loop.time() - ended < 5
