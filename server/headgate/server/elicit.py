"""Asking the person behind an MCP client, in the form of either era.

In the handshake era the server asks in the midst of the request. In the era without sessions the request is answered
with the question, and comes again with the answer; what ties the two together is sealed by the SDK for exactly this
request, and counts once.
"""

import asyncio
import secrets
from collections import OrderedDict
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from headgate.server.approval import Approve, Verdict

MAX_OPEN = 1_000
"""Questions that may wait for their answer; the oldest goes first."""
_KEY = "headgate"
_STATE = "approval:"
"""How the state of a question of headgate's own begins."""
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"allow": {"type": "boolean", "title": "Allow", "description": "Make these writes"}},
    "required": ["allow"],
}


class InputNeededError(Exception):
    """The request is to be answered with a question. Nothing of it has run."""

    def __init__(self, result: dict[str, Any]) -> None:
        """`result` is the answer, as it goes out."""
        super().__init__("a question is open")
        self.result = result


class Elicitor:
    """Asks whoever is behind the client of a request."""

    def __init__(self) -> None:
        """No question is open."""
        self._open: OrderedDict[str, str] = OrderedDict()

    def of(self, ctx: ServerRequestContext[Any, Any], params: types.CallToolRequestParams, within_s: float) -> Approve:
        """What puts a question to the client of this request, and waits `within_s` at most for its answer."""

        async def approve(question: str) -> Verdict:
            if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
                return self._answered(params, question) or self._ask_later(ctx, question)
            return await _ask_now(ctx, question, within_s)

        return approve

    def _answered(self, params: types.CallToolRequestParams, question: str) -> Verdict | None:
        """The verdict that the request brings with it; `None` where it brings none to this question."""
        response = (params.input_responses or {}).get(_KEY)
        if response is None or params.request_state is None:
            return None
        if self._open.pop(params.request_state, None) != question:
            return None
        return _verdict(response) if isinstance(response, types.ElicitResult) else None

    def _ask_later(self, ctx: ServerRequestContext[Any, Any], question: str) -> Verdict:
        if not _can_ask(ctx):
            return "unable"
        state = f"{_STATE}{secrets.token_urlsafe(16)}"
        self._open[state] = question
        while len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
        asked = {"mode": "form", "message": question, "requestedSchema": _SCHEMA}
        raise InputNeededError(
            {
                "resultType": "input_required",
                "inputRequests": {_KEY: {"method": "elicitation/create", "params": asked}},
                "requestState": state,
            }
        )


def is_own(state: str | None) -> bool:
    """Whether a request with this state goes on with a question of headgate's own, and not of an upstream's."""
    return state is not None and state.startswith(_STATE)


async def allowed(_question: str) -> Verdict:
    """Stand in for the question where it has been answered in an earlier round of the same request."""
    return "allowed"


async def _ask_now(ctx: ServerRequestContext[Any, Any], question: str, within_s: float) -> Verdict:
    if not _can_ask(ctx):
        return "unable"
    try:
        async with asyncio.timeout(within_s):
            return _verdict(await ctx.session.elicit_form(question, _SCHEMA, ctx.request_id))
    except TimeoutError:
        return "unanswered"
    except (NoBackChannelError, MCPError):
        return "unable"


def _can_ask(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client shows forms; one that names no mode does."""
    capabilities = ctx.session.client_capabilities
    offered = None if capabilities is None else capabilities.elicitation
    return offered is not None and (offered.form is not None or offered.url is None)


def _verdict(answer: types.ElicitResult) -> Verdict:
    return "allowed" if answer.action == "accept" and (answer.content or {}).get("allow") is True else "declined"
