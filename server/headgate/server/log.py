"""What headgate says on stderr: one line for each event. Never arguments or results."""

import json
import logging
import sys
import traceback
from typing import Any

from headgate.proxy.prefetch import Prefetched

logger = logging.getLogger("headgate.batch")


def log_prefetched(count: Prefetched) -> None:
    """One line, when the gate closes, that says what calls made ahead were worth."""
    fields = {"used": count.used, "wasted": count.wasted}
    logger.info("prefetch: %d used, %d wasted", count.used, count.wasted, extra={"fields": {"prefetch": fields}})


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
