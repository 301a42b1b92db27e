"""What the suite's server says and asks, and what it is told."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from mcp.server.context import ServerRequestContext

Context = ServerRequestContext[Any, Any]
Answer = dict[str, Any]
Tool = Callable[[Context, Mapping[str, Any]], Awaitable[Answer]]

LISTED: Answer = {"resultType": "complete", "ttlMs": 1000, "cacheScope": "private"}
DONE: Answer = {"resultType": "complete"}


def text(words: str, **more: Any) -> Answer:
    return {**DONE, "content": [{"type": "text", "text": words}], **more}


def form(message: str, **properties: str) -> Answer:
    fields = {name: {"type": kind} for name, kind in properties.items()}
    schema = {"type": "object", "properties": fields, "required": [*fields]}
    return {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": message, "requestedSchema": schema},
    }


def question(words: str, limit: int) -> Answer:
    messages = [{"role": "user", "content": {"type": "text", "text": words}}]
    return {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": limit}}


ROOTS: Answer = {"method": "roots/list", "params": {}}


def asks(state: str | None = None, **questions: Answer) -> Answer:
    answer: Answer = {"resultType": "input_required", "inputRequests": questions}
    return answer if state is None else {**answer, "requestState": state}


def responses_in(ctx: Context) -> Mapping[str, Any]:
    return (ctx.params or {}).get("inputResponses") or {}


def state_in(ctx: Context) -> str | None:
    return (ctx.params or {}).get("requestState")


def content_of(ctx: Context, key: str) -> Mapping[str, Any] | None:
    """What a form was filled in with; `None` where it was not, or not as it should be."""
    response: Answer = responses_in(ctx).get(key) or {}
    content: object = response.get("content") if response.get("action") == "accept" else None
    return cast("Answer", content) if isinstance(content, dict) else None
