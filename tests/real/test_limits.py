"""Limits and order, judged from the upstream's own log."""

from pathlib import Path
from typing import Any

import pytest
from tests.config import write_config
from tests.real.gates import ready_gate
from tests.upstreams.record import Record, gaps
from tests.upstreams.running import recorder_upstream

PERIOD_S = 0.2
CLOCK_S = 0.001
"""What the event loop's clock may be off by."""
DELIVERY_S = 0.1
"""What the way to the upstream's log may delay one call more than another on a busy machine."""
TRIES = 8


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "log.jsonl")


def waits(count: int, ms: int, tool: str = "wait") -> list[dict[str, Any]]:
    return [{"tool": f"recorder__{tool}", "arguments": {"ms": ms, "tag": str(number)}} for number in range(count)]


async def test_five_a_second_with_a_burst_of_one_never_starts_two_calls_closer_than_199_ms(
    tmp_path: Path, record: Record
) -> None:
    # A stamp is late by what delivery took, never early: on a busy machine that pulls two stamps together by some ms
    # now and then, but not in every run, where a limiter that is too fast has no lucky run. So all gaps of one run must
    # be whole, and in every run the stamps must fit the limit once delivery is granted its time.
    upstream = recorder_upstream(record.log, tools={"wait": {"rate_limit": "5/s", "burst": 1}})
    shortest: list[float] = []
    async with ready_gate(write_config(tmp_path, {"recorder": upstream})) as gate:
        for _ in range(TRIES):
            record.clear()
            assert (await gate.batch(waits(5, 0)))["outcome"] == "ok"
            starts = record.starts()
            assert all(
                later - earlier >= PERIOD_S * steps - DELIVERY_S
                for first, earlier in enumerate(starts)
                for steps, later in enumerate(starts[first:])
            )
            shortest.append(min(gaps(starts)))
            if shortest[-1] >= PERIOD_S - CLOCK_S:
                return
    pytest.fail(f"in each of {TRIES} runs two calls started too close: {shortest}")


async def test_a_limit_holds_across_batches(tmp_path: Path, record: Record) -> None:
    upstream = recorder_upstream(record.log, tools={"wait": {"rate_limit": "10/s", "burst": 1}})
    async with ready_gate(write_config(tmp_path, {"recorder": upstream})) as gate:
        for _ in range(4):
            await gate.batch(waits(1, 0))

    starts = record.starts()
    assert starts[-1] - starts[0] >= 0.3 - DELIVERY_S


async def test_never_more_than_an_upstreams_concurrency_are_in_flight(tmp_path: Path, record: Record) -> None:
    upstream = recorder_upstream(record.log, concurrency=3)
    async with ready_gate(write_config(tmp_path, {"recorder": upstream}, headgate={"read_concurrency": 64})) as gate:
        reply = await gate.batch(waits(15, 40))

    assert reply["counts"] == {"ok": 15}
    assert record.most_in_flight() == 3


async def test_five_writes_land_one_after_another_in_the_listed_order(tmp_path: Path, record: Record) -> None:
    async with ready_gate(write_config(tmp_path, {"recorder": recorder_upstream(record.log)})) as gate:
        reply = await gate.batch(waits(5, 50, tool="write"))

    assert [result["class"] for result in reply["results"]] == ["write"] * 5
    assert record.events() == [(event, str(number)) for number in range(5) for event in ("start", "end")]


async def test_a_read_stands_where_it_is_listed_between_two_writes(tmp_path: Path, record: Record) -> None:
    first, read, second = waits(1, 50, "write"), waits(1, 50), waits(1, 50, "write")
    for call, tag in zip((first[0], read[0], second[0]), ("first", "read", "second"), strict=True):
        call["arguments"]["tag"] = tag
    async with ready_gate(write_config(tmp_path, {"recorder": recorder_upstream(record.log)})) as gate:
        reply = await gate.batch([*first, *read, *second])

    assert reply["outcome"] == "ok"
    assert record.events() == [(event, tag) for tag in ("first", "read", "second") for event in ("start", "end")]
