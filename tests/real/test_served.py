"""headgate as an MCP server: the same reply to every client, over stdio and HTTP, in both protocol eras."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import anyio
import mcp
import pytest
from tests.config import write_config
from tests.real.gates import http_headgate, stdio_headgate
from tests.upstreams.running import recorder_upstream

CALL_LIMIT_S = 30
ERAS = ("legacy", "2026-07-28")
OWN = {"batch_call", "batch_read", "find_tools", "get_result"}
PER_RUN = {"batch_id", "duration_ms", "serial_ms", "queued_ms", "pid"}
CALLS: list[dict[str, Any]] = [
    {"id": "first", "tool": "recorder__wait", "arguments": {"ms": 20, "tag": "first"}},
    {"id": "late", "tool": "recorder.wait", "arguments": {"ms": 900, "tag": "late"}, "timeout_s": 0.1},
    {"id": "wrong", "tool": "recorder__fail", "arguments": {"message": "no such order"}},
    {"id": "unknown", "tool": "recorder__nothing", "arguments": {}},
    {"id": "bare", "tool": "big", "arguments": {"bytes": 12}},
    {"id": "after", "tool": "recorder__wait", "arguments": {"ms": 1, "tag": "after"}, "depends_on": ["wrong"]},
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, {"recorder": recorder_upstream(tmp_path / "log.jsonl")})


def lasting(value: object) -> object:
    """A reply without what differs from run to run."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return {key: lasting(item) for key, item in items if key not in PER_RUN}
    if isinstance(value, list):
        return [lasting(item) for item in cast("list[object]", value)]
    return re.sub(r"[\d.]+ (m?s)\b", r"N \1", value) if isinstance(value, str) else value


async def batch(client: mcp.Client, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """The reply, seen to be the same as text and as structured content."""
    with anyio.fail_after(CALL_LIMIT_S):
        answer = await client.call_tool("batch_call", {"calls": calls})
    assert isinstance(answer, mcp.types.CallToolResult)
    assert isinstance(answer.content[0], mcp.types.TextContent)
    assert json.loads(answer.content[0].text) == answer.structured_content
    return answer.structured_content


async def replies(target: mcp.StdioServerParameters | str) -> list[dict[str, Any]]:
    """The reply in each era."""
    said: list[dict[str, Any]] = []
    for era in ERAS:
        async with mcp.Client(target, mode=era) as client:
            said.append(await batch(client, CALLS))
    return said


async def test_clients_of_both_eras_get_the_same_reply_over_stdio_and_over_http(config: Path) -> None:
    all_replies = await replies(stdio_headgate(config))
    with http_headgate(config) as url:
        all_replies += await replies(url)

    first, *others = map(lasting, all_replies)
    assert [result["status"] for result in all_replies[0]["results"]] == [
        "ok", "timeout", "error", "error", "ok", "skipped",
    ]  # fmt: skip
    assert others == [first] * 3


@pytest.mark.parametrize("era", ERAS)
async def test_own_tools_and_upstream_tools_are_listed_in_either_era(config: Path, era: str) -> None:
    async with mcp.Client(stdio_headgate(config), mode=era) as client:
        await batch(client, CALLS[:1])  # by now the upstream has told its tools
        listed = {tool.name: tool for tool in (await client.list_tools(cache_mode="bypass")).tools}

    assert OWN | {"recorder__wait", "recorder__write"} <= set(listed)
    assert all(listed[name].annotations is not None for name in OWN)
    read_only = {name for name in OWN if (said := listed[name].annotations) and said.read_only_hint}
    assert read_only == OWN - {"batch_call"}


@pytest.mark.parametrize("era", ERAS)
async def test_an_upstreams_tool_called_by_its_name_answers_as_it_does_without_headgate(config: Path, era: str) -> None:
    async with mcp.Client(stdio_headgate(config), mode=era) as client:
        await batch(client, CALLS[:1])
        answer = await client.call_tool("recorder__wait", {"ms": 1, "tag": "alone"})
        failed = await client.call_tool("recorder__fail", {"message": "no such order"})

    assert isinstance(answer, mcp.types.CallToolResult)
    assert answer.structured_content is not None
    assert answer.structured_content["tag"] == "alone"
    assert isinstance(failed, mcp.types.CallToolResult)
    assert failed.is_error
    assert failed.content == [mcp.types.TextContent(type="text", text="no such order")]


async def test_a_batch_with_a_write_in_it_is_refused_by_batch_read(config: Path, tmp_path: Path) -> None:
    calls = [*CALLS[:1], {"tool": "recorder__write", "arguments": {"ms": 1, "tag": "never"}}]
    async with mcp.Client(stdio_headgate(config), mode="legacy") as client:
        answer = await client.call_tool("batch_read", {"calls": calls})

    assert isinstance(answer, mcp.types.CallToolResult)
    assert answer.is_error
    assert answer.structured_content is not None
    assert answer.structured_content["outcome"] == "refused"
    log = tmp_path / "log.jsonl"
    assert not log.exists() or log.read_bytes() == b""
