"""Stands in for a model in the agent loops: it looks three things up at once, then a fourth, and answers.

It reads the results that it is handed, as a model would: the payment that it asks for is the one that the order names.
"""

import json
from collections.abc import Sequence
from typing import Any

_LOOK_UPS = {
    "orders__get_order": {"order_id": "A-17"},
    "shipments__get_shipment": {"order_id": "A-17"},
    "orders__get_customer": {"customer_id": "C-204"},
}


def chat_message(messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The next assistant message of a Chat Completions conversation."""
    offered = {tool["function"]["name"] for tool in tools}
    results = [message["content"] for message in messages if message["role"] == "tool"]
    asked, said = _next(results, offered)
    if not asked:
        return {"role": "assistant", "content": said}
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for number, (name, arguments) in enumerate(asked.items(), len(results))
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def message_content(messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The content of the next message of a Messages conversation."""
    offered = {tool["name"] for tool in tools}
    blocks = [block for message in messages[1:] if message["role"] == "user" for block in message["content"]]
    asked, said = _next([block["content"] for block in blocks], offered)
    if not asked:
        return [{"type": "text", "text": said}]
    return [
        {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments}
        for number, (name, arguments) in enumerate(asked.items(), len(blocks))
    ]


def _next(results: Sequence[str], offered: set[str]) -> tuple[dict[str, Any], str]:
    """The calls to make next by name, or what to say."""
    if not results:
        return {name: arguments for name, arguments in _LOOK_UPS.items() if name in offered}, ""
    order, shipment = json.loads(results[0]), json.loads(results[1])
    if len(results) == len(_LOOK_UPS):
        return {"payments__get_payment": {"payment_id": order["payment_id"]}}, ""
    payment = json.loads(results[-1])
    parcel = "nobody knows where (the look-up timed out)" if "error_code" in shipment else shipment["status"]
    return {}, f"Order A-17 was paid with {payment['id']}; its parcel: {parcel}."
