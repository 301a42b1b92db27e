"""Writes that a person has to allow: which they are, how they are put to that person, and a plan without them.

They are asked about together, before anything of the batch runs, and as they are written: a value that another call
will give stands as where it comes from. What is allowed is these calls and no others.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from pydantic_core import to_json

from headgate.tools.outcome import Failure
from headgate.tools.plan import Plan, Step
from headgate.tools.reference import FROM, ITEM

MAX_VALUE = 1_000
"""Characters of one argument that are shown."""
MAX_SHOWN = 20
"""Writes of one batch that are shown; of more than these a person would not read each."""


def writes_to_confirm(plan: Plan, *, every_write: bool) -> tuple[int, ...]:
    """The positions of the steps that a person has to allow: writes of tools with `confirm`, or every one."""
    return tuple(
        index
        for index, step in enumerate(plan.steps)
        if step.kind == "write"
        and step.fault is None
        and step.tool is not None
        and (step.inside is None or step.inside.sends)
        and (every_write or step.tool.rules.confirm)
    )


def question(writes: Sequence[tuple[str, str, Mapping[str, Any]]]) -> str:
    """The question whether these writes may be made: each is its id, its tool, and its arguments."""
    head = "Allow this write?" if len(writes) == 1 else f"Allow these {len(writes)} writes, in this order?"
    lines = [head]
    for identity, tool, arguments in writes:
        lines.append(f"- {identity}: {tool}" if identity else f"- {tool}")
        lines += [f"    {name} = {_shown(value)}" for name, value in arguments.items()]
    return "\n".join(lines)


def asked_of(plan: Plan, indices: Iterable[int]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """The steps at `indices` as `question` takes them."""
    steps = [plan.steps[index] for index in indices]
    return [(_identity(step), step.tool.qualified, step.call.arguments) for step in steps if step.tool is not None]


def denied(plan: Plan, indices: Iterable[int], why: str) -> Plan:
    """`plan` with the steps at `indices` denied; where a write is denied, no write of the batch starts."""
    denial = Failure("error", "DENIED", why)
    return plan.faulted({plan.steps[index].call.id: denial for index in indices})


def _identity(step: Step) -> str:
    return step.call.id if step.call.for_each is None else f"{step.call.id} (once for each item)"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if isinstance(fields.get(FROM), str):
            return f'what "{fields[FROM]}" gives at {fields.get("path", "$")}'
        if ITEM in fields:
            return f"{fields[ITEM]} of each item"
    text = to_json(value, serialize_unknown=True).decode()
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}… ({len(text) - MAX_VALUE} characters more)"
