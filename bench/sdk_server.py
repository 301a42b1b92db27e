"""The floor for start-up: the smallest stdio server that the MCP Python SDK can be made to be."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams, TextContent, Tool

NOOP = Tool(name="noop", description="Answers at once.", input_schema={"type": "object"})


async def list_tools(_context: Any, _params: PaginatedRequestParams | None) -> ListToolsResult:
    """List the one tool there is."""
    return ListToolsResult(tools=[NOOP])


async def call_tool(_context: Any, params: CallToolRequestParams) -> CallToolResult:
    """Answer any call at once, with the caller's own number as the upstream of the benchmark does."""
    data = {"n": (params.arguments or {}).get("n")}
    return CallToolResult(content=[TextContent(type="text", text=str(data))], structured_content=data)


async def serve() -> None:
    """Serve stdin and stdout until stdin ends."""
    server = Server("bare", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (read_stream, write_stream):
        await server.run(read_stream, write_stream, server.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(serve())
