"""Rules of the three levels made into one: defaults < upstream < tool, key by key.

`rate_limit`, `burst` and `concurrency` mean the level they stand at: an upstream's are one bucket and one cap for all
its calls, a tool's are the tool's own. At `[defaults]`, `rate_limit` and `burst` are each tool's and `concurrency` is
each upstream's.
"""

from collections.abc import Iterable
from typing import TypeVar

from headgate.server.settings.forward import forward
from headgate.server.settings.lines import KeyPath
from headgate.server.settings.problems import Findings
from headgate.server.settings.schema import Rules, Tool, Upstream
from headgate.tools.rules import Rate, ToolRules, UpstreamRules

_T = TypeVar("_T")
_PLAIN = ToolRules()
_PLAIN_UPSTREAM = UpstreamRules()


def upstream_rules(upstream: Upstream, defaults: Rules) -> UpstreamRules:
    """The rules of an upstream and of each of its tools."""
    tools = {name: _tool_rules(tool, upstream, defaults) for name, tool in upstream.tools.items()}
    return UpstreamRules(
        trust_annotations=_nearest([upstream.trust_annotations], upstream.url is None),
        prefix=_nearest([upstream.prefix], _PLAIN_UPSTREAM.prefix),
        concurrency=_nearest([upstream.concurrency, defaults.concurrency], _PLAIN_UPSTREAM.concurrency),
        queue=_nearest([upstream.queue], _PLAIN_UPSTREAM.queue),
        rate=_rate(upstream.rate_limit, upstream.burst),
        include=tuple(upstream.include or ()),
        exclude=tuple(upstream.exclude or ()),
        replicas=_nearest([upstream.replicas], _PLAIN_UPSTREAM.replicas),
        answer_limit=_nearest([upstream.answer_limit], _PLAIN_UPSTREAM.answer_limit),
        every_tool=_tool_rules(Tool(), upstream, defaults),
        tools=tools,
    )


def check_bursts(path: KeyPath, upstream: Upstream, defaults: Rules, findings: Findings) -> None:
    """Tell of every `burst` in the upstream at `path` that has no rate to be the burst of."""
    check_burst(path, upstream, findings)
    for name, tool in upstream.tools.items():
        if defaults.rate_limit is None and not findings.blames(("defaults", "rate_limit")):
            check_burst((*path, "tools", name), tool, findings)


def check_burst(path: KeyPath, rules: Rules, findings: Findings) -> None:
    """Tell of a `burst` in the table at `path` without a `rate_limit` beside it."""
    if rules.burst is not None and rules.rate_limit is None and not findings.blames((*path, "rate_limit")):
        findings.problem((*path, "burst"), 'burst needs a rate_limit beside it, such as rate_limit = "20/s"')


def _tool_rules(tool: Tool, upstream: Upstream, defaults: Rules) -> ToolRules:
    levels = (tool, upstream, defaults)
    return ToolRules(
        kind=tool.kind,
        timeout_s=_nearest((level.timeout for level in levels), _PLAIN.timeout_s),
        retries=_nearest((level.retries for level in levels), _PLAIN.retries),
        rate=_rate(
            _nearest([tool.rate_limit, defaults.rate_limit], None), _nearest([tool.burst, defaults.burst], None)
        ),
        concurrency=tool.concurrency,
        result_limit=_nearest((level.result_limit for level in levels), None),
        resource=tool.resource,
        idempotent=tool.idempotent or False,
        confirm=tool.confirm or False,
        pin="off" if _own_word(tool, upstream) else _nearest((level.pin for level in levels), _PLAIN.pin),
        check_arguments=_nearest((level.check_arguments for level in levels), _PLAIN.check_arguments),
        forward=forward(tool.idempotency),
    )


def _own_word(tool: Tool, upstream: Upstream) -> bool:
    """Whether the tool is declared by the operator: spelled out in the file, or by a document that lies beside it."""
    fetched = upstream.openapi is not None and upstream.openapi.startswith(("http://", "https://"))
    return upstream.http is not None and (tool.path is not None or not fetched)


def _rate(limit: tuple[int, float] | None, burst: int | None) -> Rate | None:
    if limit is None:
        return None
    count, period_s = limit
    return Rate(count=count, period_s=period_s, burst=count if burst is None else burst)


def _nearest(said: Iterable[_T | None], unsaid: _T) -> _T:
    return next((value for value in said if value is not None), unsaid)
