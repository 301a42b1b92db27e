"""Making the tool calls of one answer of a model's: as one batch, with one result for each, in order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pydantic_core import to_json

from headgate.server.agents.asked import AskedCall
from headgate.server.approval import Approve
from headgate.server.gate import Gate
from headgate.server.own_calls import OWN_CALLS, Asking, BadRequestError
from headgate.tools.batch import Batch, Call
from headgate.tools.given import opaque
from headgate.tools.outcome import Failure
from headgate.tools.reference import MARKS

_KEPT = ("status", "error_code", "error", "retryable", "retry_after_s", "data", "truncated", "items")
"""What a model is told of a call that did not simply work."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one call."""

    id: str
    """The provider's own id of the call."""
    text: str
    """The data as text, or as JSON text; for a call that did not end ok an object that says why."""
    blocks: tuple[Mapping[str, Any], ...] = ()
    """Images, audio and resources, as MCP content blocks."""
    is_error: bool = False


async def answer(gate: Gate, calls: Sequence[AskedCall], approve: Approve | None) -> list[Answered]:
    """Make `calls`, and give one result for each, in their order, once all have ended.

    Calls of headgate's own tools are made one by one, in their places among the others.
    """
    answered: list[Answered] = []
    for own, group in groupby(calls, key=lambda call: call.tool in OWN_CALLS):
        if own:
            answered += [await _own(gate, call, approve) for call in group]
            continue
        for part in _parts(list(group), gate.settings.headgate.max_calls):
            answered += await _batch(gate, part, approve)
    return answered


def _parts(calls: Sequence[AskedCall], most: int) -> Iterable[Sequence[AskedCall]]:
    return (calls[start : start + most] for start in range(0, len(calls), most))


async def _batch(gate: Gate, asked: Sequence[AskedCall], approve: Approve | None) -> list[Answered]:
    """Make calls of upstreams' tools and of recipes. What a model calls by itself refers to nothing: it is all data."""
    calls = tuple(Call(call.tool or "(none)", _as_data(call), f"c{number}") for number, call in enumerate(asked, 1))
    faults = {
        f"c{number}": Failure("error", "INVALID_ARGUMENTS", fault)
        for number, fault in enumerate(map(_fault_of, asked), 1)
        if fault is not None
    }
    reply = (await gate.run(Batch(calls), approve=approve, faults=faults, to_the_end=True)).answer
    if "results" not in reply.body:
        return [Answered(call.id, reply.text, is_error=True) for call in asked]
    return [
        _answered(call.id, envelope, reply.blocks, reply.body["batch_id"])
        for call, envelope in zip(asked, reply.body["results"], strict=True)
    ]


def _as_data(call: AskedCall) -> dict[str, Any]:
    return {name: opaque(value) for name, value in call.arguments.items() if name not in MARKS}


def _fault_of(call: AskedCall) -> str | None:
    marks = sorted(MARKS.intersection(call.arguments))
    return call.fault or (f'an argument cannot be called "{marks[0]}"' if marks else None)


def _answered(
    identity: str, envelope: Mapping[str, Any], blocks: Sequence[Mapping[str, Any]], batch_id: str
) -> Answered:
    places: Sequence[int] = envelope.get("content", ())
    own = tuple(blocks[place - 1] for place in places)
    if envelope["status"] == "ok" and "truncated" not in envelope:
        data = envelope["data"]
        return Answered(identity, data if isinstance(data, str) else "" if data is None and own else _json(data), own)
    told = {key: envelope[key] for key in _KEPT if key in envelope}
    if "truncated" in envelope:
        told["rest"] = {"tool": "get_result", "batch_id": batch_id, "id": envelope["id"]}
    return Answered(identity, _json(told), own, is_error=envelope["status"] != "ok")


async def _own(gate: Gate, call: AskedCall, approve: Approve | None) -> Answered:
    if call.fault is not None:
        return Answered(call.id, call.fault, is_error=True)
    try:
        result = await OWN_CALLS[call.tool](gate, call.arguments, Asking(approve=approve))
    except BadRequestError as bad:
        return Answered(call.id, str(bad), is_error=True)
    text, *blocks = result["content"]
    return Answered(call.id, text["text"], tuple(blocks), is_error=result.get("isError", False))


def _json(data: Any) -> str:
    return to_json(data).decode()
