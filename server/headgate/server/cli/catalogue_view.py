"""One tool of the catalogue, for people and for programs."""

from typing import Any

from headgate.server.cli.display import shortened
from headgate.tools.catalogue import Tool
from headgate.tools.rules import Rate

_WIDTH = 60
_PERIODS = {1.0: "s", 60.0: "min", 3600.0: "h"}


def limits_of(tool: Tool) -> str:
    """The tool's own limits in the words of headgate.toml. A recipe has none: those of its calls hold."""
    if not tool.upstream:
        return ""
    rules = tool.rules
    parts = [f"{rules.timeout_s:g}s"]
    if rules.rate:
        parts.append(rate(rules.rate))
    if rules.concurrency:
        parts.append(f"{rules.concurrency} at once")
    return ", ".join(parts)


def flag_of(tool: Tool) -> str:
    """What an operator should know of its definition, and what follows from it; empty where there is nothing."""
    if tool.flag is None:
        return ""
    return f"{tool.flag}; {'it is a ' + tool.kind if tool.denied is None else 'it is out of use'}"


def why(tool: Tool) -> str:
    """The reason of its class; and that it is out of use, where it is."""
    return tool.reason if tool.denied is None else f"{tool.reason}; it is out of use"


def does(tool: Tool) -> str:
    """The first line of the tool's description."""
    lines = tool.description.strip().splitlines()
    return shortened(lines[0], _WIDTH) if lines else ""


def rate(rules: Rate) -> str:
    """`20/s`, with the burst where it is not the whole count."""
    period = _PERIODS.get(rules.period_s, f"{rules.period_s:g}s")
    burst = "" if rules.burst == rules.count else f" (burst {rules.burst})"
    return f"{rules.count}/{period}{burst}"


def tool_as_json(tool: Tool) -> dict[str, Any]:
    """Everything that headgate knows of the tool."""
    rules = tool.rules
    return {
        "name": tool.qualified,
        "upstream": tool.upstream or None,
        "tool": tool.name,
        "class": tool.kind,
        "why": tool.reason,
        "flag": tool.flag,
        "callable": tool.denied is None,
        "timeout_s": rules.timeout_s if tool.upstream else None,
        "rate_limit": rate(rules.rate) if rules.rate else None,
        "concurrency": rules.concurrency,
        "description": tool.description,
        "inputSchema": tool.input_schema,
    }
