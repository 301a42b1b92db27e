"""A tool server whose tools, the read `get` and the write `put`, give back their arguments. It starts at once.

python tests/upstreams/echoing.py
"""

import json
import sys
from typing import Any

SCHEMA = {"type": "object"}
TOOLS: list[dict[str, Any]] = [
    {"name": "get", "inputSchema": SCHEMA, "annotations": {"readOnlyHint": True}},
    {"name": "put", "inputSchema": SCHEMA, "annotations": {"readOnlyHint": False}},
]
RESULTS: dict[str, dict[str, Any]] = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "echoing", "version": "1"},
    },
    "tools/list": {"tools": TOOLS},
}


def result_of(asked: dict[str, Any]) -> dict[str, Any] | None:
    if asked["method"] != "tools/call":
        return RESULTS.get(asked["method"])
    said = asked["params"]["arguments"]
    return {"content": [{"type": "text", "text": json.dumps(said)}], "structuredContent": said}


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" not in asked:
            continue
        result = result_of(asked)
        unknown = {"error": {"code": -32601, "message": "Method not found"}}
        answer = unknown if result is None else {"result": result}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
