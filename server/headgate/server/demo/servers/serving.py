"""What the sample servers have in common: a tool that takes its time, and a table of tools served over stdio."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio
import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server

Record = dict[str, Any]


class Refusal(Exception):  # noqa: N818 -- an answer to the caller, not a fault of the server
    """What the caller asked for cannot be done; the text goes to the caller as the tool's error."""


@dataclass(frozen=True, slots=True)
class SampleTool:
    """A tool whose back end takes `takes_s` seconds to answer."""

    name: str
    description: str
    arguments: Mapping[str, Record]
    """Each argument's JSON Schema; all of them are required."""
    annotations: types.ToolAnnotations
    takes_s: float
    answer: Callable[[Record, str], Record]
    """Called with the arguments and the moment at which they came in, once the time is over."""

    def listed(self) -> types.Tool:
        """Tell this tool as `tools/list` does."""
        schema = {
            "type": "object",
            "properties": dict(self.arguments),
            "required": list(self.arguments),
            "additionalProperties": False,
        }
        return types.Tool(
            name=self.name, description=self.description, input_schema=schema, annotations=self.annotations
        )


READ = types.ToolAnnotations(read_only_hint=True, open_world_hint=False)


def writes(*, destructive: bool) -> types.ToolAnnotations:
    """Annotations of a tool that changes something, and changes it again when called again."""
    return types.ToolAnnotations(
        read_only_hint=False, destructive_hint=destructive, idempotent_hint=False, open_world_hint=False
    )


def now() -> str:
    """Read the server's own clock, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def find(records: Mapping[str, Record], key: object, what: str) -> Record:
    """Find the record under `key`, or refuse and name what there is."""
    found = records.get(str(key))
    if found is None:
        raise Refusal(f"no {what} {key}; there is {', '.join(records)}")
    return found


async def _answer(tool: SampleTool, arguments: Record) -> types.CallToolResult:
    missing = [name for name in tool.arguments if name not in arguments]
    if missing:
        return _told(f"{tool.name} needs {', '.join(missing)}", is_error=True)
    received_at = now()
    await anyio.sleep(tool.takes_s)
    try:
        data = tool.answer(arguments, received_at)
    except Refusal as refusal:
        return _told(str(refusal), is_error=True)
    return _told(json.dumps(data), structured=data)


def _told(text: str, *, structured: Record | None = None, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(text=text)], structured_content=structured, is_error=is_error
    )


def sample_server(name: str, tools: tuple[SampleTool, ...]) -> Server[Any]:
    """Make an MCP server that offers `tools`."""
    by_name = {tool.name: tool for tool in tools}

    async def list_tools(
        _context: ServerRequestContext[Any], _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool.listed() for tool in tools])

    async def call_tool(
        _context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        tool = by_name.get(params.name)
        if tool is None:
            return _told(f"no tool {params.name}; there is {', '.join(by_name)}", is_error=True)
        return await _answer(tool, params.arguments or {})

    return Server(name, version="1.0.0", on_list_tools=list_tools, on_call_tool=call_tool)


async def serve(name: str, tools: tuple[SampleTool, ...]) -> None:
    """Serve `tools` over this process's stdin and stdout until stdin ends."""
    server = sample_server(name, tools)
    async with stdio_server() as (read_stream, write_stream):
        await server.run(read_stream, write_stream, server.create_initialization_options())
