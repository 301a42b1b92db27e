"""What the log says of a batch that has ended: one line. Never arguments or results."""

import logging
from collections import Counter
from typing import Any

from headgate.proxy.driver import Driver
from headgate.tools.reply import counted, outcome_of

logger = logging.getLogger("headgate.batch")


def log_batch(batch_id: str, driver: Driver, principal: str = "") -> None:
    """One line for a batch that has ended: its id, its tools, durations, outcome counts, and which way it went."""
    if not logger.isEnabledFor(logging.INFO):
        return
    own = driver.plan.shown(driver.outcomes)
    outcomes = [outcome for _, outcome in own if outcome is not None]
    counts = counted(outcomes)
    tools = Counter(step.call.tool if step.tool is None else step.tool.qualified for step, _ in own)
    fields = {
        "batch_id": batch_id,
        "outcome": outcome_of(counts),
        "calls": len(outcomes),
        "counts": counts,
        "parallel": not driver.plan.one_by_one,
        "duration_ms": round(((driver.ended_at or driver.started_at) - driver.started_at) * 1000),
        "serial_ms": round(sum(outcome.serial_s for outcome in outcomes) * 1000),
        "tools": dict(tools.most_common()),
    } | ({"tenant": principal} if principal else {})
    logger.info("%s", _as_text(fields), extra={"fields": fields})


def _as_text(fields: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in fields["counts"].items())
    tools = ", ".join(name if count == 1 else f"{name} x{count}" for name, count in fields["tools"].items())
    times = f"{fields['duration_ms']} ms (one by one: {fields['serial_ms']} ms)"
    whose = f" of {fields['tenant']}" if "tenant" in fields else ""
    way = "" if fields["parallel"] else ", one by one"
    return f"batch {fields['batch_id']}{whose} {fields['outcome']}{way}: {counts} in {times}: {tools}"
