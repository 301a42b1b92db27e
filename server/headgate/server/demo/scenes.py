"""What the demo runs: the triage one by one, the same as a batch, and a batch with writes in it.

It knows nothing of terminals: whoever watches is told of the calls as far as they are known, and draws them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from headgate.proxy.connection import CallFailedError
from headgate.server.demo.timeline import Bar

if TYPE_CHECKING:
    from headgate.server.gate import Gate

SHIPMENT_TIMEOUT_S = 2.5

LOOKUPS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("order", "orders__get_order", {"order_id": "A-17"}),
    ("customer", "orders__get_customer", {"customer_id": "C-204"}),
    ("payment", "payments__get_payment", {"payment_id": "P-9001"}),
    ("shipment", "shipments__get_shipment", {"order_id": "A-17"}),
)
"""The refund triage: id, tool and arguments of each call."""

WRITES: tuple[dict[str, Any], ...] = (
    {"id": "payment_before", "tool": "payments__get_payment", "arguments": {"payment_id": "P-9001"}},
    {"id": "order_before", "tool": "orders__get_order", "arguments": {"order_id": "A-17"}},
    {
        "id": "refund",
        "tool": "payments__create_refund",
        "arguments": {"payment_id": "P-9001", "reason": "parcel held by the carrier"},
    },
    {
        "id": "note",
        "tool": "orders__add_note",
        "arguments": {
            "order_id": "A-17",
            "text": {
                "$format": "Refunded {amount} EUR as {refund}",
                "amount": {"$from": "refund", "path": "$.amount"},
                "refund": {"$from": "refund", "path": "$.id"},
            },
        },
    },
    {"id": "payment_after", "tool": "payments__get_payment", "arguments": {"payment_id": "P-9001"}},
    {"id": "order_after", "tool": "orders__get_order", "arguments": {"order_id": "A-17"}},
)
"""Reads, two writes of which one quotes the other's answer, and the same reads again."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What was run, and how it went."""

    bars: tuple[Bar, ...]
    total_s: float
    calls: tuple[tuple[str, str], ...]
    """The id and the tool of each bar's call."""
    reply: dict[str, Any] | None = None
    """The batch's reply, where there was one."""

    def data(self, call_id: str) -> dict[str, Any]:
        """Find what the call `call_id` answered; empty if it did not."""
        results: list[dict[str, Any]] = (self.reply or {}).get("results", [])
        answers: dict[str, dict[str, Any]] = {result["id"]: result["data"] for result in results if "data" in result}
        return answers.get(call_id, {})

    def told(self) -> list[dict[str, Any]]:
        """Tell each call's time as JSON."""
        return [
            {"id": call_id, "tool": tool, "class": bar.kind, "status": bar.status}
            | {"start_ms": _ms(bar.start_s), "end_ms": _ms(bar.end_s)}
            for (call_id, tool), bar in zip(self.calls, self.bars, strict=True)
        ]


class Watcher(Protocol):
    """Somebody who looks on while a scene runs."""

    def calls(self, bars: Sequence[Bar]) -> None:
        """See calls of which some are running."""
        ...

    def answered(self, done: int, of: int) -> None:
        """See how many of a batch's calls have an answer."""
        ...


async def one_by_one(gate: "Gate", watcher: Watcher) -> Scene:
    """Make the lookups as an agent without headgate does: each once the one before it has answered."""
    began = perf_counter()
    bars: list[Bar] = []
    for _, tool, arguments in LOOKUPS:
        start_s = perf_counter() - began
        watcher.calls([*bars, Bar(_label(tool), "read", "running", start_s, None)])
        status = await _status_of(gate, tool, arguments)
        bars.append(Bar(_label(tool), "read", status, start_s, perf_counter() - began))
    return Scene(tuple(bars), perf_counter() - began, tuple((call_id, tool) for call_id, tool, _ in LOOKUPS))


async def as_batch(gate: "Gate", watcher: Watcher) -> Scene:
    """Make the same lookups as one batch, in which the shipment has a deadline."""
    calls: list[dict[str, Any]] = [
        {"id": call_id, "tool": tool, "arguments": arguments} for call_id, tool, arguments in LOOKUPS
    ]
    calls[-1]["timeout_s"] = SHIPMENT_TIMEOUT_S
    watcher.calls([Bar(_label(tool), "read", "running", 0.0, None) for _, tool, _ in LOOKUPS])
    return await _batch(gate, calls, watcher)


async def with_writes(gate: "Gate", watcher: Watcher) -> Scene:
    """Make a refund and a note, with reads before and after them."""
    return await _batch(gate, WRITES, watcher)


async def _batch(gate: "Gate", calls: Sequence[dict[str, Any]], watcher: Watcher) -> Scene:
    began = perf_counter()
    run = await gate.run({"calls": list(calls)}, on_progress=watcher.answered)
    total_s = perf_counter() - began
    spans = run.spans()
    bars = tuple(
        Bar(_label(span.tool), "write" if span.kind == "write" else "read", span.status, span.start_s, span.end_s)
        for span in spans
    )
    return Scene(bars, total_s, tuple((span.id, span.tool) for span in spans), run.reply)


async def _status_of(gate: "Gate", tool: str, arguments: dict[str, Any]) -> str:
    try:
        result = await gate.call(tool, arguments)
    except CallFailedError:
        return "error"
    return "error" if result.get("isError") else "ok"


def _label(tool: str) -> str:
    return tool.partition("__")[2] or tool


def _ms(at_s: float | None) -> int | None:
    return None if at_s is None else round(at_s * 1000)
