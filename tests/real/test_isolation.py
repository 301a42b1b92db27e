"""What goes wrong with one call stays with it: its siblings are answered, and the upstream stays up."""

from pathlib import Path
from typing import Any, Literal

import pytest
from tests.config import write_config
from tests.real.gates import ready_gate
from tests.upstreams.record import Record
from tests.upstreams.running import recorder_served, recorder_upstream, served_upstream

from headgate.server.gate import Gate
from headgate.server.opening import open_gate

THREE_MB = 3_000_000
TROUBLE: dict[str, dict[str, Any]] = {
    "timeout": {"tool": "recorder__wait", "arguments": {"ms": 1500, "tag": "late"}, "timeout_s": 0.2},
    "failure": {"tool": "recorder__fail", "arguments": {"message": "no such order"}},
    "3 MB answer": {"tool": "recorder__big", "arguments": {"bytes": THREE_MB}},
    "noise": {"tool": "recorder__noisy", "arguments": {"lines": 2_000}},
}
EXPECTED = {
    "timeout": ("timeout", "TOOL_TIMEOUT"),
    "failure": ("error", "TOOL_ERROR"),
    "3 MB answer": ("ok", None),
    "noise": ("ok", None),
}


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "log.jsonl")


def sibling(number: int) -> dict[str, Any]:
    return {"id": f"s{number}", "tool": "recorder__wait", "arguments": {"ms": 100, "tag": f"s{number}"}}


async def outcome_among_siblings(gate: Gate, trouble: dict[str, Any], record: Record) -> dict[str, Any]:
    """The trouble's own result, after its six siblings and the upstream were seen unharmed by it."""
    record.clear()
    siblings = [sibling(number) for number in range(6)]
    reply = await gate.batch([*siblings[:3], {"id": "trouble", **trouble}, *siblings[3:]])
    by_id = {result["id"]: result for result in reply["results"]}

    assert list(by_id) == ["s0", "s1", "s2", "trouble", "s3", "s4", "s5"]
    for call in siblings:
        result = by_id[call["id"]]
        assert (result["status"], result["data"]["tag"]) == ("ok", call["id"])
        assert result["duration_ms"] < 1_000

    after = await gate.batch([sibling(9)])
    assert after["outcome"] == "ok"
    assert len(record.pids()) == 1, "the upstream was restarted"
    return by_id["trouble"]


@pytest.mark.parametrize("transport", ["stdio", "http", "old", "sse"])
async def test_one_call_in_trouble_changes_nothing_for_its_siblings(
    tmp_path: Path, record: Record, transport: Literal["stdio", "http", "old", "sse"]
) -> None:
    if transport == "stdio":
        await every_trouble(tmp_path, recorder_upstream(record.log), record)
        return
    with recorder_served(record.log, transport) as url:
        await every_trouble(tmp_path, served_upstream(url), record)


async def every_trouble(folder: Path, upstream: dict[str, Any], record: Record) -> None:
    pids: set[int] = set()
    async with ready_gate(write_config(folder, {"recorder": upstream})) as gate:
        for name, trouble in TROUBLE.items():
            result = await outcome_among_siblings(gate, trouble, record)

            assert (name, result["status"], result.get("error_code")) == (name, *EXPECTED[name])
            pids |= record.pids()
    assert len(pids) == 1


async def test_an_answer_beyond_the_replys_budget_is_cut_and_said_to_be(tmp_path: Path, record: Record) -> None:
    async with ready_gate(write_config(tmp_path, {"recorder": recorder_upstream(record.log)})) as gate:
        result = await outcome_among_siblings(gate, TROUBLE["3 MB answer"], record)

    assert result["truncated"]["of"] >= THREE_MB
    assert len(result["data"]) < 100_000


async def test_a_dead_upstream_takes_nothing_from_the_others(tmp_path: Path, record: Record) -> None:
    upstreams = {
        "recorder": recorder_upstream(record.log),
        "missing": {"command": str(tmp_path / "no-such-program")},
        "refusing": {"url": "http://127.0.0.1:9/mcp"},
    }
    config = write_config(tmp_path, upstreams)
    async with open_gate(config) as gate:
        gone: dict[str, Any] = {"id": "gone", "tool": "missing__anything", "arguments": {}}
        reply = await gate.batch([sibling(0), gone, sibling(1)])

    assert [result["status"] for result in reply["results"]] == ["ok", "error", "ok"]
    assert reply["outcome"] == "partial"
