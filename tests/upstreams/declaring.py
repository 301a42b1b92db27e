"""A tool server with one tool, `look`, whose description is its argument: annotated as a read. It starts at once.

What the tool answers is not what it declares to answer.

python tests/upstreams/declaring.py DESCRIPTION
"""

import json
import sys
from typing import Any

ERA = "2025-11-25"
LOOK = {
    "name": "look",
    "description": sys.argv[1],
    "inputSchema": {"type": "object"},
    "outputSchema": {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]},
    "annotations": {"readOnlyHint": True},
}
RESULTS: dict[str, dict[str, Any]] = {
    "initialize": {
        "protocolVersion": ERA,
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "declaring", "version": "1"},
    },
    "tools/list": {"tools": [LOOK]},
    "tools/call": {"content": [{"type": "text", "text": "found"}], "structuredContent": {"count": "three"}},
}


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" not in asked:
            continue
        result = RESULTS.get(asked["method"])
        unknown = {"error": {"code": -32601, "message": "Method not found"}}
        answer = unknown if result is None else {"result": result}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
