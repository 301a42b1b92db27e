"""From where an upstream is, as the settings say, to what opens sessions with it."""

from headgate.proxy.connection import Open
from headgate.proxy.stdio import stdio_opener
from headgate.proxy.target import EndpointsTarget, HttpTarget, StdioTarget
from headgate.server.settings import UpstreamSettings


def same_way(before: UpstreamSettings | None, now: UpstreamSettings) -> bool:
    """Whether both are reached in the same way."""
    return before is not None and _way_to(before) == _way_to(now)


def _way_to(upstream: UpstreamSettings) -> tuple[object, ...]:
    """Everything that an opener goes by."""
    rules = upstream.rules
    return upstream.target, rules.concurrency, rules.answer_limit, rules.replicas


def opener_of(upstream: UpstreamSettings) -> Open:
    """What opens sessions with an upstream."""
    target, rules = upstream.target, upstream.rules
    match target:
        case StdioTarget():
            return stdio_opener(target, rules.answer_limit)
        case HttpTarget():
            # Imported here: whoever has only stdio upstreams need not wait for an HTTP client to load.
            from headgate.proxy.http import http_opener  # noqa: PLC0415
            from headgate.proxy.sse import sse_opener  # noqa: PLC0415
            from headgate.server.logins.access import bearer_of  # noqa: PLC0415

            opener = sse_opener if target.transport == "sse" else http_opener
            return opener(target, rules.concurrency, rules.answer_limit, bearer_of(upstream.name, target))
        case EndpointsTarget():
            from headgate.proxy.endpoints.opener import endpoints_opener  # noqa: PLC0415

            return endpoints_opener(target, rules.concurrency, rules.answer_limit)
