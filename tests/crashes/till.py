"""An MCP server over stdio with one write, `pay`, that keeps its own account of what it has done.

It writes a line before each effect and one after, in a file that is only ever added to, and knows of no key: whatever
runs twice there has run twice. Nothing but the standard library, so that it starts in no time.
"""

import json
import os
import sys
import time

TOOL = {"name": "pay", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": False}}


# What the newer era wants of every result; the older one does not mind.
COMPLETE: "dict[str, object]" = {"resultType": "complete"}


def main() -> None:
    account = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(account, f"start {os.getpid()}\n".encode())
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "id" in request:
            answer = {"jsonrpc": "2.0", "id": request["id"], **answer_to(request, account)}
            os.write(1, json.dumps(answer).encode() + b"\n")


def answer_to(request: "dict[str, object]", account: int) -> "dict[str, object]":
    params: dict[str, object] = request.get("params") or {}  # pyright: ignore[reportAssignmentType]
    if request["method"] == "initialize":
        said: dict[str, object] = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
        return {"result": {**said, "serverInfo": {"name": "till", "version": "1"}}}
    if request["method"] == "tools/list":
        return {"result": {"tools": [TOOL], **COMPLETE, "ttlMs": 0, "cacheScope": "private"}}
    if request["method"] != "tools/call":
        return {"error": {"code": -32601, "message": "no such method"}}
    arguments: dict[str, object] = params["arguments"]  # pyright: ignore[reportAssignmentType]
    tag, pause_s = arguments["tag"], float(str(arguments.get("pause_s", 0)))
    os.write(account, f"before {tag} {os.getpid()}\n".encode())
    time.sleep(pause_s)
    os.write(account, f"after {tag} {os.getpid()}\n".encode())
    time.sleep(pause_s)
    return {"result": {"content": [], "structuredContent": {"paid": tag}, **COMPLETE}}


if __name__ == "__main__":
    main()
