"""How headgate presents itself to a model: its own tools and its instructions.

The texts are short and factual: a model reads them before every task. The schemas hold no oneOf, anyOf or allOf,
and the four tools together stay within 4 KB of a tools/list answer: some clients drop a server for less.
"""

from typing import Any

INSTRUCTIONS = """\
headgate stands in front of other tool servers. batch_call runs many of their tools in one request, with the same \
outcome as calling them one by one in the order listed, in the time of the slowest.
Use it when two or more calls are known now: several lookups, the same lookup for several ids, or lookups followed by \
writes. When a call needs a value out of another call's result, refer to it with {"$from": ID, "path": "$.field"} \
instead of asking again.
Do not batch a call whose arguments you can only decide after reading an earlier result. Call a single tool directly.
Each call gets its own envelope with a status. ok: done. timeout: a read that may be sent again. unknown: a write that \
may have been applied; check with a read, and repeat it only under the same idempotency_key. skipped: never sent. \
pending: still running, get_result has it later."""

_CALL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "Your name for this call; default c1, c2, …"},
        "tool": {"type": "string", "description": "e.g. orders__get_order"},
        "arguments": {
            "type": "object",
            "description": 'The tool\'s arguments. Any value in it may be {"$from": ID, "path": "$.field"}, with '
            '"default" if it may be missing, or {"$format": "order {x}", "x": …}',
        },
        "depends_on": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Ids that must end ok first; $from implies it",
        },
        "for_each": {
            "description": 'A list, or {"$from": …} that gives one: the call runs once per item, which is '
            '{"$item": "$"} or {"$item": "$.sku"} in its arguments; data is the list of results',
        },
        "select": {
            "type": "array",
            "items": {"type": "string"},
            "description": "JSONPaths of the only parts of the data to send back; [] for none",
        },
        "timeout_s": {"type": "number"},
        "parallel_group": {"type": "string", "description": "A label that groups can cap"},
        "idempotency_key": {"type": "string", "description": "Of a write: with the same key it is made only once"},
    },
    "required": ["tool", "arguments"],
}


def _batch_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "calls": {"type": "array", "items": _CALL_SCHEMA},
            "on_error": {"type": "string", "enum": ["continue", "stop"]},
            "groups": {"type": "object", "description": '{"LABEL": {"concurrency": 3}}'},
            "timeout_s": {"type": "number", "description": "For the whole batch"},
            "dry_run": {"type": "boolean", "description": "Show what would run, run nothing"},
        },
        "required": ["calls"],
    }


def _read_batch_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "calls": {"type": "array", "items": {"type": "object"}, "description": "As in batch_call"},
            "on_error": {"type": "string", "enum": ["continue", "stop"]},
            "timeout_s": {"type": "number"},
        },
        "required": ["calls"],
    }


def own_tools() -> list[dict[str, Any]]:
    """The four tools as a tools/list answer declares them."""
    return [
        {
            "name": "batch_call",
            "title": "Run many tool calls",
            "description": "Run several tool calls in one request. Reads run at once. Writes run one at a time in the "
            "order listed; a read listed after a write to the same server waits for it. One call failing does not "
            "stop the others, but a write that does not end ok ends the writes. Results come in the order listed, "
            "one envelope each.",
            "inputSchema": _batch_schema(),
            "annotations": {"readOnlyHint": False, "destructiveHint": True, "openWorldHint": True},
        },
        {
            "name": "batch_read",
            "title": "Run many reads",
            "description": "batch_call for reads only: refuses the whole batch if any call in it is a write.",
            "inputSchema": _read_batch_schema(),
            "annotations": {"readOnlyHint": True},
        },
        {
            "name": "find_tools",
            "title": "Search tools",
            "description": "Search the tools that a batch can use. Gives name, class, description and input schema.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": "Words; empty lists every tool"},
                    "limit": {"type": "integer"},
                },
            },
            "annotations": {"readOnlyHint": True},
        },
        {
            "name": "get_result",
            "title": "Fetch a result",
            "description": "Fetch what a batch's reply cut short, or what was still pending. Without id: the whole "
            "reply again. Lists are paged by item, anything else by character of its text.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "batch_id": {"type": "string"},
                    "id": {"type": "string", "description": "The call's id"},
                    "path": {"type": "string", "description": "JSONPath into its data"},
                    "offset": {"type": "integer"},
                    "limit": {"type": "integer"},
                },
                "required": ["batch_id"],
            },
            "annotations": {"readOnlyHint": True},
        },
    ]
