"""The reply to a dry run: what would run, in which stages, and what waits for what. Nothing has run."""

from typing import Any

from pydantic_core import to_json

from headgate.tools.plan import Plan, Step
from headgate.tools.reply import Reply


def dry_run(plan: Plan, batch_id: str) -> Reply:
    """Stages of calls that can run at once, and for each call its class, the reason for it, and what it waits for."""
    ids = [step.call.id for step in plan.steps]
    stages = plan.stages()
    stage_of = {index: number for number, stage in enumerate(stages, 1) for index in stage}
    reads = sum(step.kind == "read" for step in plan.steps)
    faults = sum(step.fault is not None for step in plan.steps)
    summary = f"{len(ids)} calls in {len(stages)} stages, {reads} reads and {len(ids) - reads} writes; nothing has run"
    body: dict[str, Any] = {
        "batch_id": batch_id,
        "outcome": "ok",
        "dry_run": True,
        "summary": summary if not faults else f"{summary}. {faults} would fail",
        "stages": [[ids[index] for index in stage] for stage in stages],
        "results": [_planned(step, stage_of[index], ids) for index, step in enumerate(plan.steps)],
    }
    return Reply(body, to_json(body).decode())


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
    if step.after:
        planned["after"] = [ids[index] for index in step.after]
    if step.fault is not None:
        planned |= {"error_code": step.fault.code, "error": step.fault.message}
    return planned
