"""JSON-RPC over a line, and what the other side asks: the SDK's sessions work over it, and no flood piles up."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import pytest
from mcp.client.session import ClientSession
from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from tests.proxy.line import Line, served
from tests.proxy.parts import all_at_once, turns
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import Opening
from headgate.proxy.rpc import Rpc
from headgate.proxy.serving import MAX_SERVED
from headgate.proxy.session import negotiated


@in_virtual_time
async def test_what_the_other_side_asks_is_answered_and_a_crash_in_answering_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = Line()
    async with served(line.rpc):
        line.says(id="a", method="sampling/createMessage", params={})
        line.says(id="b", method="crash")
        line.says(method="notifications/whatever")
        await turns(10)
        assert line.written == [
            {"jsonrpc": "2.0", "id": "a", "error": {"code": -32601, "message": "no sampling/createMessage here"}},
            {"jsonrpc": "2.0", "id": "b", "error": {"code": -32603, "message": "internal error"}},
        ]
    caplog.clear()


@in_virtual_time
async def test_what_has_no_object_for_its_parameters_is_refused_or_ignored_and_nobody_stumbles_over_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = Line()

    async def refuse(_ctx: Any, method: str, _params: Mapping[str, Any] | None) -> dict[str, Any]:
        raise MCPError(types.METHOD_NOT_FOUND, f"no {method} here")

    async def note(_ctx: Any, _method: str, params: Mapping[str, Any] | None) -> None:
        assert params is None

    def intercept(_method: str, params: Mapping[str, Any] | None) -> bool:
        return (params or {}).get("progressToken") is not None

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(line.rpc.run(refuse, note, intercept))
        await turns()
        for params in ([1], "progressToken", 7):
            line.says(method="notifications/progress", params=params)
            line.says(method="notifications/resources/updated", params=params)
            line.says(id="a", method="ping", params=params)
        await turns(10)
        running.cancel()

    assert [message["error"]["code"] for message in line.written] == [types.INVALID_PARAMS] * 3
    assert line.rpc.ignored == 6
    assert not caplog.records


@asynccontextmanager
async def joined(server: Server[Any]) -> AsyncGenerator[Rpc]:
    """An Rpc whose other end is `server`, by way of the SDK's own streams."""
    rpc = Rpc()
    async with create_client_server_memory_streams() as ((read, write), (server_read, server_write)):
        outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        rpc.write = outgoing.put_nowait

        async def send() -> None:
            while True:
                message = types.jsonrpc_message_adapter.validate_json(await outgoing.get())
                await write.send(SessionMessage(message))

        async def receive() -> None:
            async for message in read:
                assert isinstance(message, SessionMessage)
                rpc.receive(message.message.model_dump_json(by_alias=True, exclude_none=True).encode())

        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(job)
                for job in (
                    send(),
                    receive(),
                    server.run(server_read, server_write, server.create_initialization_options()),
                )
            ]
            try:
                yield rpc
            finally:
                for task in running:
                    task.cancel()


async def list_tools(_ctx: ServerRequestContext[Any], _params: object) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool(name="t", input_schema={"type": "object"})])


@in_virtual_time
async def test_the_sdks_session_works_over_it_in_the_newest_era() -> None:
    async with (
        joined(Server("s", on_list_tools=list_tools)) as rpc,
        asyncio.timeout(30),
        negotiated(rpc, Opening("up", lambda: None)) as (session, meta),
    ):
        assert session.protocol_version == "2026-07-28"
        assert meta is not None
        assert [tool.name for tool in (await session.list_tools()).tools] == ["t"]


@in_virtual_time
async def test_the_sdks_session_works_over_it_in_the_handshake_era_and_answers_a_ping_and_refuses_to_sample() -> None:
    asked: list[str] = []

    async def call_tool(ctx: ServerRequestContext[Any], _params: object) -> types.CallToolResult:
        await ctx.session.send_ping()
        asked.append("ping answered")
        sampling = types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[], max_tokens=1))
        with pytest.raises(MCPError):
            await ctx.session.send_request(sampling, types.CreateMessageResult)
        asked.append("sampling refused")
        return types.CallToolResult(content=[])

    server = Server("s", on_list_tools=list_tools, on_call_tool=call_tool)
    async with joined(server) as rpc, asyncio.timeout(30), ClientSession(dispatcher=rpc) as session:
        await session.initialize()
        assert session.protocol_version == "2025-11-25"
        await all_at_once(*(session.list_tools() for _ in range(5)))
        result = await rpc.request("tools/call", {"name": "t", "arguments": {}}).answer()
        assert result["content"] == []

    assert asked == ["ping answered", "sampling refused"]


@in_virtual_time
async def test_a_flood_of_requests_and_news_of_the_peers_is_bounded() -> None:
    line = Line()
    async with served(line.rpc):
        for number in range(1_000):
            line.says(method="notifications/message", params={})
            line.says(method="notifications/progress", params={})
            line.says(id=number, method="roots/list")
        assert len(line.written) == 1_000 - MAX_SERVED
        assert {message["error"]["message"] for message in line.written} == {"too many requests at once"}
        assert line.rpc.ignored == 0
        await turns(10)
        assert len(line.written) == 1_000
