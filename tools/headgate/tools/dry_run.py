"""The reply to a dry run: what would run, in which stages, and what waits for what. Nothing has run."""

from collections.abc import Callable
from typing import Any

from headgate.tools.catalogue import Tool
from headgate.tools.compact import compact
from headgate.tools.plan import Plan, Step
from headgate.tools.reply import Reply


def dry_run(plan: Plan, batch_id: str, typical_s: Callable[[Tool], float | None] = lambda _: None) -> Reply:
    """Stages of calls that can run at once, and for each call its class, the reason for it, and what it waits for.

    `typical_s` says how long calls of a tool take, as far as that is known: where it is of every tool, the reply says
    how long the batch is expected to take, and the calls that its time depends on.
    """
    ids = [step.call.id for step in plan.steps]
    stages = plan.stages()
    stage_of = {index: number for number, stage in enumerate(stages, 1) for index in stage}
    kinds = [step.kind for step in plan.steps if step.inside is None or step.inside.sends]
    reads = kinds.count("read")
    faults = sum(step.fault is not None for step in plan.steps)
    counts = f"{_counted(reads, 'read')} and {_counted(len(kinds) - reads, 'write')}"
    size = f"{_counted(len(kinds), 'call')} in {_counted(len(stages), 'stage')}"
    summary = f"{size}, {counts}; nothing has run"
    body: dict[str, Any] = {
        "batch_id": batch_id,
        "outcome": "ok",
        "dry_run": True,
        "summary": summary if not faults else f"{summary}. {faults} would fail",
        "stages": [[ids[index] for index in stage] for stage in stages],
        **_expected(plan, ids, typical_s),
        "results": [_planned(step, stage_of[index], ids) for index, step in enumerate(plan.steps)],
    }
    return Reply(body, compact(body).decode())


def _expected(plan: Plan, ids: list[str], typical_s: Callable[[Tool], float | None]) -> dict[str, Any]:
    """The expected time of the batch, that of its calls one by one, and its critical path; nothing if unknown."""
    known = [_typical_s(step, typical_s) for step in plan.steps]
    durations = [duration for duration in known if duration is not None]
    if len(durations) < len(known):
        return {}
    ends_s: dict[int, float] = {}
    behind: dict[int, int | None] = {}
    for index in plan.order:
        earlier = (*plan.steps[index].needs, *plan.steps[index].after)
        behind[index] = max(earlier, key=ends_s.__getitem__, default=None)
        ends_s[index] = durations[index] + max((ends_s[before] for before in earlier), default=0.0)
    path: list[str] = []
    at: int | None = max(ends_s, key=ends_s.__getitem__)
    while at is not None:
        path.append(ids[at])
        at = behind[at]
    whole = {"expected_ms": round(max(ends_s.values()) * 1000), "expected_serial_ms": round(sum(durations) * 1000)}
    return {**whole, "critical_path": path[::-1]}


def _typical_s(step: Step, typical_s: Callable[[Tool], float | None]) -> float | None:
    if step.inside is not None and not step.inside.sends:
        return 0.0
    return None if step.tool is None else typical_s(step.tool)


def _planned(step: Step, stage: int, ids: list[str]) -> dict[str, Any]:
    planned: dict[str, Any] = {
        "id": step.call.id,
        "tool": step.call.tool if step.tool is None else step.tool.qualified,
        "class": step.kind,
        "why": "unknown tools are taken for writes" if step.tool is None else step.tool.reason,
        "stage": stage,
    }
    if step.needs:
        planned["needs"] = [ids[index] for index in step.needs]
    if step.guesses:
        planned["guesses"] = [ids[index] for index in step.guesses]
    if step.after:
        planned["after"] = [ids[index] for index in step.after]
    if step.fault is not None:
        planned |= {"error_code": step.fault.code, "error": step.fault.message}
    return planned


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
