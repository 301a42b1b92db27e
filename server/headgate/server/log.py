"""What headgate says on stderr: one line for each batch and for what goes wrong. Never arguments or results."""

import json
import logging
import sys
import traceback
from collections import Counter
from typing import Any

from headgate.proxy.driver import Driver
from headgate.proxy.prefetch import Prefetched
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


def log_prefetched(count: Prefetched) -> None:
    """One line, when the gate closes, that says what calls made ahead were worth."""
    fields = {"used": count.used, "wasted": count.wasted}
    logger.info("prefetch: %d used, %d wasted", count.used, count.wasted, extra={"fields": {"prefetch": fields}})


def _as_text(fields: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in fields["counts"].items())
    tools = ", ".join(name if count == 1 else f"{name} x{count}" for name, count in fields["tools"].items())
    times = f"{fields['duration_ms']} ms (one by one: {fields['serial_ms']} ms)"
    whose = f" of {fields['tenant']}" if "tenant" in fields else ""
    way = "" if fields["parallel"] else ", one by one"
    return f"batch {fields['batch_id']}{whose} {fields['outcome']}{way}: {counts} in {times}: {tools}"


class _Lines(logging.Formatter):
    """Says where an exception came from and of what kind it is. Its text may hold anything, arguments included."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name for it
        kind, _, trace = ei
        return "".join([*traceback.format_tb(trace), kind.__name__ if kind else "no exception"])


class _JsonLines(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            **getattr(record, "fields", {"message": record.getMessage()}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up_log(*, as_json: bool) -> None:
    """Send headgate's own log to stderr, where stdout may carry MCP, and keep the libraries' chatter out of it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if as_json else _Lines("headgate: %(message)s"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.ERROR)
    logging.getLogger("headgate").setLevel(logging.INFO)
