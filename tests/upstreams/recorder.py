"""A tool server that writes down when each of its calls starts and ends, so that tests judge from its own log.

    python tests/upstreams/recorder.py --log FILE            over stdio
    python tests/upstreams/recorder.py --log FILE --http 0   streamable HTTP at /mcp; 0 takes a free port
    python tests/upstreams/recorder.py --log FILE --old 0    the same in the handshake era alone: it streams answers
    python tests/upstreams/recorder.py --log FILE --sse 0    the legacy SSE transport at /sse

Each line of the log is {tool, tag, event: "start" | "end", t, pid}, where `t` is time.monotonic(): one clock for every
process of a machine. Over HTTP the server's URL is the one line that it prints.
"""

import argparse
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import orjson
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server

TRANSPORTS = ("http", "old", "sse")
READ = types.ToolAnnotations(read_only_hint=True)
WRITE = types.ToolAnnotations(read_only_hint=False, destructive_hint=True)
TIMED = {"ms": {"type": "number", "minimum": 0}, "tag": {"type": "string"}}


def tool(name: str, description: str, annotations: types.ToolAnnotations, properties: dict[str, Any]) -> types.Tool:
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return types.Tool(name=name, description=description, annotations=annotations, input_schema=schema)


TOOLS = [
    tool("wait", "Answer after so many milliseconds", READ, TIMED),
    tool("write", "Change something, in so many milliseconds", WRITE, TIMED),
    tool("fail", "Answer that it did not work", READ, {"message": {"type": "string"}}),
    tool("big", "Answer with a text of so many bytes", READ, {"bytes": {"type": "integer", "minimum": 0}}),
    tool("noisy", "Write lines on stderr and garbage on stdout", READ, {"lines": {"type": "integer", "minimum": 0}}),
]


class Recorder:
    """The tools, and the log of their calls."""

    def __init__(self, log: Path, wire: int | None) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._wire = wire
        """Our stdout before the SDK took it, for garbage."""

    async def list_tools(self, _ctx: ServerRequestContext[Any], _params: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=TOOLS)

    async def call_tool(
        self, _ctx: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        started = time.monotonic()
        arguments = params.arguments or {}
        tag = str(arguments.get("tag", ""))
        self._record(params.name, tag, "start", started)
        match params.name:
            case "wait" | "write":
                await anyio.sleep(arguments["ms"] / 1000)
                answer = result({"tag": tag, "pid": os.getpid()})
            case "fail":
                answer = types.CallToolResult(
                    content=[types.TextContent(type="text", text=arguments["message"])], is_error=True
                )
            case "big":
                answer = result("x" * arguments["bytes"])
            case "noisy":
                self._make_noise(arguments["lines"])
                answer = result({"lines": arguments["lines"], "pid": os.getpid()})
            case unknown:
                answer = types.CallToolResult(
                    content=[types.TextContent(type="text", text=f"no tool {unknown}")], is_error=True
                )
        self._record(params.name, tag, "end", time.monotonic())
        return answer

    def _record(self, name: str, tag: str, event: str, t: float) -> None:
        line = {"tool": name, "tag": tag, "event": event, "t": t, "pid": os.getpid()}
        os.write(self._log, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def _make_noise(self, lines: int) -> None:
        for number in range(lines):
            os.write(2, f"noise {number} {'.' * 80}\n".encode())
            if self._wire is not None:
                os.write(self._wire, f"this is not JSON-RPC: {number}\n".encode())


def result(data: dict[str, Any] | str) -> types.CallToolResult:
    text = data if isinstance(data, str) else orjson.dumps(data).decode()
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)],
        structured_content=data if isinstance(data, dict) else None,
    )


def server(recorder: Recorder) -> Server[Any]:
    return Server("recorder", version="1", on_list_tools=recorder.list_tools, on_call_tool=recorder.call_tool)


async def over_stdio(log: Path) -> None:
    served = server(Recorder(log, os.dup(1)))
    async with stdio_server() as (read, write):
        await served.run(read, write, served.create_initialization_options())


def over_http(log: Path, port: int, transport: str) -> None:
    import uvicorn

    served = server(Recorder(log, None))
    path = "/sse" if transport == "sse" else "/mcp"
    app = sse_app(served, path) if transport == "sse" else served.streamable_http_app(streamable_http_path=path)
    if transport == "old":
        app = handshake_era_only(app)
    with socket.create_server(("127.0.0.1", port)) as listener:
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}{path}\n")
        sys.stdout.flush()
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listener])


def sse_app(served: Server[Any], path: str) -> Any:
    from mcp.server.sse import SseServerTransport
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Mount, Route

    transport = SseServerTransport("/messages/")

    async def connect(request: Request) -> Response:
        async with transport.connect_sse(request.scope, request.receive, request._send) as (read, write):  # pyright: ignore[reportPrivateUsage]
            await served.run(read, write, served.create_initialization_options())
        return Response()

    return Starlette(routes=[Route(path, connect), Mount("/messages/", app=transport.handle_post_message)])


def handshake_era_only(app: Any) -> Any:
    """The app as a server of 2025 would be: a version that it does not know is a bad request."""
    from starlette.responses import JSONResponse

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if b"2026-07-28" in dict(scope.get("headers", ())).get(b"mcp-protocol-version", b""):
            error = {"code": -32000, "message": "Bad Request: Unsupported protocol version"}
            await JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 400)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return guarded


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument(
        "--start-after", type=float, default=0.0, metavar="SECONDS", help="as if it were downloaded first"
    )
    for transport in TRANSPORTS:
        parser.add_argument(f"--{transport}", type=int, metavar="PORT")
    options = vars(parser.parse_args())
    time.sleep(options["start_after"])
    for transport in TRANSPORTS:
        if options[transport] is not None:
            over_http(options["log"], options[transport], transport)
            return
    anyio.run(over_stdio, options["log"])


if __name__ == "__main__":
    main()
