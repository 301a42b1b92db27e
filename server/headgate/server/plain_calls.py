"""Plain `tools/call` requests without the SDK's second look at them, and plain results without a third.

The SDK checks a request against its version's schema, parses it, then validates and dumps the result anew: for a call
that is a name and arguments, and a result that is texts and data, several times what headgate itself takes over it.
What is not plain in every respect goes the SDK's way, and so does the newer era, whose envelopes the SDK adds to.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types.methods import serialize_server_result
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from headgate.server.fit import is_text

Context = ServerRequestContext[Any, Any]
CallTool = Callable[[Context, types.CallToolRequestParams], Awaitable[dict[str, Any]]]

_ASKED = frozenset(("name", "arguments", "_meta"))
_ANSWERED = frozenset(("content", "structuredContent", "isError"))


class PlainCalls:
    """A middleware of the SDK's server: it answers plain calls by `call_tool`, and passes all else on."""

    def __init__(self, call_tool: CallTool) -> None:
        """`call_tool` gives results that fit the client's version."""
        self._call_tool = call_tool

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Answer a request, or leave that to the SDK."""
        if ctx.method != "tools/call" or not is_plain_call(ctx):
            return await call_next(ctx)
        result = await self._call_tool(ctx, types.CallToolRequestParams.model_validate(ctx.params, by_name=False))
        result.pop("resultType", None)  # of the newer era
        return result if is_plain_result(result) else serialize_server_result(ctx.method, ctx.protocol_version, result)


def is_plain_call(ctx: Context) -> bool:
    """Whether a `tools/call` of an initialised client of the handshake era is well formed, and says nothing unusual."""
    params = ctx.params
    if params is None or not has_plain_params(params):
        return False
    if "_meta" in params and (ctx.meta is None or has_envelope(params)):
        return False  # it is malformed, or of the other era
    return ctx.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS and ctx.session.client_params is not None


def has_plain_params(params: Mapping[str, Any]) -> bool:
    """Whether the params of a `tools/call` are a name, arguments and `_meta`, whatever stands in that."""
    return (
        _ASKED.issuperset(params)
        and isinstance(params.get("name"), str)
        and isinstance(params.get("arguments", {}), dict)
    )


def is_plain_result(result: Mapping[str, Any]) -> bool:
    """Whether a result is texts, data, and whether it is an error: what every version of the era has, as it stands."""
    content = result.get("content")
    return (
        _ANSWERED.issuperset(result)
        and isinstance(content, list)
        and all(map(is_text, cast("list[object]", content)))
        and isinstance(result.get("structuredContent", {}), dict)
        and isinstance(result.get("isError", False), bool)
    )


def has_envelope(params: Mapping[str, Any] | None) -> bool:
    """Whether a request says which version it is of, as only those of the newer era do."""
    meta: object = (params or {}).get("_meta")
    return isinstance(meta, Mapping) and types.PROTOCOL_VERSION_META_KEY in cast("Mapping[str, object]", meta)
