"""What headgate costs a model's context, counted on the wire."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.config import write_config
from tests.real.gates import ready_gate, serve_command
from tests.real.wire import wired
from tests.upstreams.running import recorder_upstream

OWN = ("batch_call", "batch_read", "find_tools", "get_result")
KB = 1024


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, {"recorder": recorder_upstream(tmp_path / "log.jsonl")})


async def test_the_four_own_tools_take_at_most_4_kb_of_tools_list(config: Path) -> None:
    async with wired(serve_command(config)) as wire:
        await wire.initialize()
        listed = (await wire.request("tools/list"))["tools"]

    own = [tool for tool in listed if tool["name"] in OWN]
    assert sorted(tool["name"] for tool in own) == sorted(OWN)
    assert len(compact(own)) <= 4 * KB


async def test_no_schema_of_ours_holds_what_makes_clients_drop_a_server(config: Path) -> None:
    async with wired(serve_command(config)) as wire:
        await wire.initialize()
        own = [tool for tool in (await wire.request("tools/list"))["tools"] if tool["name"] in OWN]

    assert not {"oneOf", "anyOf", "allOf"} & set(_keys([tool["inputSchema"] for tool in own]))
    assert not any("outputSchema" in tool for tool in own)


async def test_an_ok_slot_costs_at_most_120_bytes_beyond_its_data(config: Path) -> None:
    calls = [
        {"id": f"call_{number:06}", "tool": "recorder__wait", "arguments": {"ms": number, "tag": "x" * number}}
        for number in range(8)
    ]
    async with ready_gate(config) as gate:
        reply = await gate.batch(calls)

    costs = [len(compact(result)) - len(compact(result["data"])) for result in reply["results"]]
    assert reply["outcome"] == "ok"
    assert max(costs) <= 120


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for item in value.values() for key in _keys(item))]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return [key for item in value for key in _keys(item)] if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]
