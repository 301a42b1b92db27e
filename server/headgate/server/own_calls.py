"""headgate's own tools as they are called: arguments checked, the gate asked, the answer as a `tools/call` result."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from headgate.proxy.client import Client
from headgate.server.approval import Approve
from headgate.server.callers import OPERATOR, Caller
from headgate.server.gate import Gate
from headgate.server.runs import Progress
from headgate.tools.budget import cut
from headgate.tools.jsonpath import BadPathError
from headgate.tools.page import Page
from headgate.tools.refusal import Refusal
from headgate.tools.reply import Reply
from headgate.tools.search import find_tools

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Asking:
    """How a call is made: on whose behalf, how to tell of its progress, and how to ask the person behind it."""

    caller: Caller = OPERATOR
    progress: Progress | None = None
    approve: Approve | None = None
    client: Client | None = None
    """Whom upstreams may ask and tell something."""


OwnCall = Callable[[Gate, Mapping[str, Any], Asking], Awaitable[dict[str, Any]]]

_ROOM_FOR_FRAME = 500
"""Bytes of a find_tools answer beside its tools."""


class BadRequestError(Exception):
    """Arguments that one of headgate's own tools does not take. Its text goes to the model."""


class _FindTools(BaseModel):
    model_config = ConfigDict(extra="forbid")
    query: str = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 10


class _GetResult(BaseModel):
    model_config = ConfigDict(extra="forbid")
    batch_id: str
    id: str | None = None
    path: str = "$"
    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1)] | None = None


async def batch_call(gate: Gate, arguments: Mapping[str, Any], asking: Asking) -> dict[str, Any]:
    """Run a batch."""
    return await _run(gate, arguments, asking)


async def batch_read(gate: Gate, arguments: Mapping[str, Any], asking: Asking) -> dict[str, Any]:
    """Run a batch that may hold reads only."""
    return await _run(gate, arguments, asking, reads_only=True)


async def _run(gate: Gate, request: object, asking: Asking, *, reads_only: bool = False) -> dict[str, Any]:
    run = await gate.run(
        request,
        reads_only=reads_only,
        on_progress=asking.progress,
        approve=asking.approve,
        caller=asking.caller,
        client=asking.client,
    )
    return replied(run.answer)


def recipe_call(name: str) -> OwnCall:
    """What runs the recipe of that name: it gives the reply of its calls as a batch."""

    async def call(gate: Gate, arguments: Mapping[str, Any], asking: Asking) -> dict[str, Any]:
        batch = gate.recipes.batch(name, arguments)
        if isinstance(batch, Refusal):
            raise BadRequestError("; ".join(problem.message for problem in batch.problems))
        return await _run(gate, batch, asking)

    return call


def replied(answer: Reply) -> dict[str, Any]:
    """The reply of a batch as a `tools/call` result."""
    return {
        "content": [{"type": "text", "text": answer.text}, *answer.blocks],
        "structuredContent": answer.body,
        "isError": answer.is_error,
    }


async def find(gate: Gate, arguments: Mapping[str, Any], asking: Asking) -> dict[str, Any]:
    """Search the catalogue."""
    asked = _checked(_FindTools, arguments)
    await gate.first_opening()
    catalogue = gate.catalogue(asking.caller)
    recipes = gate.recipes.tools(catalogue, asking.caller)
    found = find_tools(catalogue, asked.query, asked.limit, recipes)
    room = gate.settings.headgate.reply_limit - _ROOM_FOR_FRAME
    kept: Any = cut(found, room).data
    if not isinstance(kept, list):
        # Not even the best fits with its schema: better the names of all than the beginning of one.
        kept = cut([{"name": tool["name"], "class": tool["class"]} for tool in found], room).data
    if not isinstance(kept, list):
        kept = []  # there is hardly any room for a reply at all
    answer: dict[str, Any] = {"tools": kept, "of": len(recipes) + len(catalogue.tools)}
    down = [
        {"upstream": upstream.name, "state": upstream.state, "reason": upstream.reason}
        for upstream in gate.upstreams()
        if upstream.state != "ready" and upstream.name in catalogue.upstreams
    ]
    return _answer(answer | {"unavailable": down} if down else answer)


async def get_result(gate: Gate, arguments: Mapping[str, Any], asking: Asking) -> dict[str, Any]:
    """Fetch a reply again, or a part of one result."""
    asked = _checked(_GetResult, arguments)
    try:
        found = gate.result(asked.batch_id, asked.id, Page(asked.path, asked.offset, asked.limit), asking.caller)
    except BadPathError as bad:
        raise BadRequestError(str(bad)) from None
    if found is None:
        what = "no batch" if asked.id is None else f'no call "{asked.id}" in batch'
        raise BadRequestError(f'there is {what} "{asked.batch_id}"; results are kept for the latest batches only')
    return {"content": [{"type": "text", "text": found.text}, *found.blocks], "structuredContent": found.body}


OWN_CALLS: Mapping[str, OwnCall] = {
    "batch_call": batch_call,
    "batch_read": batch_read,
    "find_tools": find,
    "get_result": get_result,
}


def own_call(gate: Gate, name: str, caller: Caller) -> OwnCall:
    """What runs the tool of that name; KeyError where it is neither a recipe of the caller's nor headgate's own."""
    return recipe_call(name) if name in gate.recipes.of(caller) else OWN_CALLS[name]


def _checked(model: type[Model], arguments: Mapping[str, Any]) -> Model:
    try:
        # Many clients send null for whatever they leave out.
        return model.model_validate({name: value for name, value in arguments.items() if value is not None})
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_context=False, include_input=False)
        faults = [f"{'.'.join(str(step) for step in error['loc'])}: {error['msg'].lower()}" for error in errors]
        raise BadRequestError(f"these arguments do not fit: {'; '.join(faults)}") from None


def _answer(body: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": to_json(body).decode()}], "structuredContent": body}
