"""Requests that are answered with a question: the answers are fetched and the request is made again.

In the newer era an upstream asks nothing while a request is under way: its answer says what input it requires, and is
given it with the next try. A client of that era is passed such an answer on, for only it can make the next try. For any
other the tries are made here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from mcp.shared.exceptions import MCPError

from headgate.proxy.client import Client
from headgate.proxy.connection import CallFailedError
from headgate.tools.result import presentable

MAX_ROUNDS = 10
_AGAIN_S = 0.1
"""How long to wait before the next try where nothing was asked."""

Result = Mapping[str, Any]


def requires_input(result: Result) -> bool:
    """Whether an answer is a question."""
    return result.get("resultType") == "input_required"


async def to_the_end(
    send: Callable[[Mapping[str, Any]], Awaitable[Result]], client: Client, first: Result | None = None
) -> Result:
    """Send a request until its answer is none that asks for input; `send` takes what goes with it.

    `first` is the first answer, where there is one already. Where `client` makes the rounds itself, or cannot be asked,
    such an answer is the result.

    Raises:
        CallFailedError: There is no result, and why.

    """
    result = await send({}) if first is None else first
    for _ in range(MAX_ROUNDS):
        if not requires_input(result) or client.takes_rounds:
            return result
        questions = _questions_in(result)
        if not all(_may_be_asked(client, str(question.get("method"))) for question in questions.values()):
            return result
        if not questions and not result.get("requestState"):
            return result
        if not questions:
            await asyncio.sleep(_AGAIN_S)
        answers = {key: await _answer(client, question) for key, question in questions.items()}
        more: dict[str, Any] = {"inputResponses": answers} if answers else {}
        if "requestState" in result:
            more["requestState"] = result["requestState"]
        result = await send(more)
    if not requires_input(result):
        return result
    raise CallFailedError("UPSTREAM_ERROR", f"it still asks for input after {MAX_ROUNDS} rounds", sent=False)


def _questions_in(result: Result) -> dict[str, Mapping[str, Any]]:
    questions: object = result.get("inputRequests")
    if not isinstance(questions, Mapping):
        return {}
    found = cast("Mapping[str, object]", questions)
    return {key: cast("Mapping[str, Any]", it) for key, it in found.items() if isinstance(it, Mapping)}


def _may_be_asked(client: Client, method: str) -> bool:
    return method.partition("/")[0] in client.capabilities


async def _answer(client: Client, question: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return await client.ask(str(question.get("method")), question.get("params"))
    except MCPError as error:
        words = f"it asks for input, and the client answered with an error: {presentable(error.error.message)}"
        raise CallFailedError("UPSTREAM_ERROR", words, sent=False) from None
