"""Asking a person before a write: who asks is given from outside, what follows from the answer is here."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from headgate.proxy.connection import CallFailedError
from headgate.tools.catalogue import Tool

if TYPE_CHECKING:
    from headgate.tools.plan import Plan

Verdict = Literal["allowed", "declined", "unanswered", "unable"]
"""`unable`: there is nobody who could be asked."""
Approve = Callable[[str], Awaitable[Verdict]]
"""Puts a question to a person. What it raises ends the request before anything of it has run."""

_WHY: Mapping[Verdict, str] = {
    "declined": "a person has declined this write",
    "unanswered": "nobody has allowed this write in time",
    "unable": "a person has to allow this write, and this client has no way to ask one (MCP elicitation): use a client "
    "that has, or set confirm = false for the tool in headgate.toml (confirm_writes for all of them)",
}


async def approved(plan: "Plan", approve: Approve | None, *, every_write: bool) -> "Plan":
    """`plan` after a person has been asked about the writes in it that need it; denied are those not allowed."""
    from headgate.tools.confirm import asked_of, denied, question, writes_to_confirm  # noqa: PLC0415 - few are asked

    writes = writes_to_confirm(plan, every_write=every_write)
    if not writes:
        return plan
    verdict = "unable" if approve is None else await approve(question(asked_of(plan, writes)))
    return plan if verdict == "allowed" else denied(plan, writes, _WHY[verdict])


async def approve_call(tool: Tool, arguments: Mapping[str, Any], approve: Approve | None, *, every_write: bool) -> None:
    """Ask about a single call, where that is needed.

    Raises:
        CallFailedError: It is not allowed.

    """
    if tool.kind == "read" or not (every_write or tool.rules.confirm):
        return
    from headgate.tools.confirm import question  # noqa: PLC0415 - few are asked

    verdict = "unable" if approve is None else await approve(question([("", tool.qualified, arguments)]))
    if verdict != "allowed":
        raise CallFailedError("DENIED", _WHY[verdict], sent=False)
