"""The recorder itself, through the SDK's own client: what it says of its calls can be trusted."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import mcp
import pytest
from tests.upstreams.record import Record, gaps
from tests.upstreams.running import recorder_command, recorder_served


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "log.jsonl")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
async def client(request: pytest.FixtureRequest, record: Record, stack: ExitStack) -> AsyncIterator[mcp.Client]:
    """Over stdio, unless the test names another transport."""
    transport = getattr(request, "param", "stdio")
    match transport:
        case "stdio":
            command, args = recorder_command(record.log)
            target = mcp.StdioServerParameters(command=command, args=args)
        case "http" | "old":
            target = stack.enter_context(recorder_served(record.log, transport))
        case _:
            from mcp.client.sse import sse_client

            target = sse_client(stack.enter_context(recorder_served(record.log, "sse")))
    with anyio.fail_after(30):
        async with mcp.Client(target, mode="2026-07-28" if transport == "http" else "auto") as client:
            assert (client.protocol_version == "2026-07-28") is (transport != "old")
            yield client


async def call(client: mcp.Client, tool: str, **arguments: object) -> mcp.types.CallToolResult:
    answer = await client.call_tool(tool, arguments)
    assert isinstance(answer, mcp.types.CallToolResult)
    return answer


@pytest.mark.parametrize("client", ["stdio", "http", "old", "sse"], indirect=True)
async def test_calls_at_once_overlap_and_the_log_says_so(client: mcp.Client, record: Record) -> None:
    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(lambda tag: call(client, "wait", ms=300, tag=tag), str(number))

    assert record.most_in_flight() == 5
    assert sorted(record.tags("end")) == ["0", "1", "2", "3", "4"]


async def test_calls_one_by_one_never_overlap_and_their_spacing_is_their_time(
    client: mcp.Client, record: Record
) -> None:
    for tag in "abc":
        await call(client, "write", ms=50, tag=tag)

    assert record.most_in_flight() == 1
    assert record.tags("start") == ["a", "b", "c"]
    assert min(gaps(record.starts())) >= 0.05


async def test_it_says_what_reads_and_what_writes(client: mcp.Client) -> None:
    listed = (await client.list_tools()).tools

    reads = {tool.name for tool in listed if tool.annotations and tool.annotations.read_only_hint}
    assert reads == {"wait", "fail", "big", "noisy"}
    assert {tool.name for tool in listed} - reads == {"write"}


async def test_it_fails_and_grows_and_makes_noise_on_request(client: mcp.Client) -> None:
    failed = await call(client, "fail", message="no such order")
    assert failed.is_error
    assert failed.content == [mcp.types.TextContent(type="text", text="no such order")]

    (big,) = (await call(client, "big", bytes=200_000)).content
    assert isinstance(big, mcp.types.TextContent)
    assert len(big.text) == 200_000

    assert (await call(client, "wait", ms=0, tag="quiet")).structured_content is not None
