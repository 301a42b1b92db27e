"""Reads of one batch run at once: it takes as long as its slowest call, over every transport."""

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from tests.config import write_config
from tests.real.gates import ready_gate
from tests.upstreams.record import Record
from tests.upstreams.running import recorder_served, recorder_upstream, served_upstream

from headgate.server.gate import Gate


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "log.jsonl")


@pytest.fixture(params=["stdio", "http"])
def upstream(request: pytest.FixtureRequest, record: Record) -> Generator[dict[str, Any]]:
    if request.param == "stdio":
        yield recorder_upstream(record.log)
        return
    with recorder_served(record.log, "http") as url:
        yield served_upstream(url)


async def timed_reads(gate: Gate, count: int, seconds: float) -> float:
    """How long a batch of so many reads took; each of them was answered."""
    calls = [
        {"tool": "recorder__wait", "arguments": {"ms": seconds * 1000, "tag": str(number)}} for number in range(count)
    ]
    started = time.perf_counter()
    reply = await gate.batch(calls)
    took = time.perf_counter() - started
    assert [(result["status"], result["data"]["tag"]) for result in reply["results"]] == [
        ("ok", str(number)) for number in range(count)
    ]
    return took


async def best_of_three(gate: Gate, count: int, seconds: float, limit_s: float) -> float:
    """The shortest of up to three batches, none after one within the limit: a busy machine can only add time."""
    best = float("inf")
    for _ in range(3):
        best = min(best, await timed_reads(gate, count, seconds))
        if best <= limit_s:
            break
    return best


async def test_three_of_two_five_of_three_and_ten_of_one_second_take_two_three_and_one(
    tmp_path: Path, upstream: dict[str, Any], record: Record
) -> None:
    async with ready_gate(write_config(tmp_path, {"recorder": upstream}, headgate={"read_concurrency": 10})) as gate:
        await timed_reads(gate, 10, 0)  # connections are made once, by the first calls
        for count, seconds in ((3, 2.0), (5, 3.0), (10, 1.0)):
            record.clear()
            limit_s = seconds * 1.03 + 0.05

            assert seconds <= await best_of_three(gate, count, seconds, limit_s) <= limit_s
            assert record.most_in_flight() == count


async def test_twenty_reads_of_200_ms_take_at_most_230_ms(tmp_path: Path, record: Record) -> None:
    upstream = recorder_upstream(record.log, concurrency=64)
    async with ready_gate(write_config(tmp_path, {"recorder": upstream}, headgate={"read_concurrency": 64})) as gate:
        assert 0.2 <= await best_of_three(gate, 20, 0.2, 0.23) <= 0.23


async def test_over_the_legacy_sse_transport_reads_run_at_once_too(tmp_path: Path, record: Record) -> None:
    with recorder_served(record.log, "sse") as url:
        async with ready_gate(write_config(tmp_path, {"recorder": served_upstream(url)})) as gate:
            await timed_reads(gate, 8, 0.4)

    assert record.most_in_flight() == 8


async def test_no_more_than_read_concurrency_of_a_batch_run_at_once(tmp_path: Path, record: Record) -> None:
    config = write_config(tmp_path, {"recorder": recorder_upstream(record.log)}, headgate={"read_concurrency": 4})
    async with ready_gate(config) as gate:
        await timed_reads(gate, 12, 0.05)

    assert record.most_in_flight() == 4


async def test_with_parallel_off_a_batch_runs_one_by_one_in_the_listed_order(tmp_path: Path, record: Record) -> None:
    config = write_config(tmp_path, {"recorder": recorder_upstream(record.log)}, headgate={"parallel": False})
    async with ready_gate(config) as gate:
        await timed_reads(gate, 4, 0.05)

    assert record.most_in_flight() == 1
    assert record.tags("start") == ["0", "1", "2", "3"]
