"""The reply: one envelope for each call, in the order of the request, within the budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.tools.budget import cut, fair_limit, size_of
from headgate.tools.compact import compact
from headgate.tools.hint import hint_of
from headgate.tools.jsonpath import BadPathError, Work, compile_path
from headgate.tools.outcome import RETRYABLE, Answer, Failure, Outcome
from headgate.tools.plan import Plan, Step
from headgate.tools.refusal import Refusal

MAX_NAMED_PROBLEMS = 200
"""Problems that a refusal names; its summary counts them all."""
MAX_PROBLEM_TEXT = 1_000
"""Characters of one problem: names in it are the model's own, and may be of any length."""
_Shown = Sequence[tuple[Step, Outcome | None]]
"""The request's own calls, in its order, and what became of each."""

MAX_NAMED_FAILURES = 5
"""Failures that the summary names before it only counts them."""
_MIN_QUEUED_MS = 5
"""A shorter wait for a permit says nothing."""
_ROOM_FOR_MARKS = 48
"""Bytes of `"truncated":{"bytes":…,"of":…}` that a cut adds to an envelope."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: the JSON object, the same as text, and the blocks that its `content` fields point at."""

    body: dict[str, Any]
    text: str
    blocks: tuple[dict[str, Any], ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether nothing worked."""
        return self.body["outcome"] in ("failed", "refused")


def refused(refusal: Refusal, batch_id: str) -> Reply:
    """The reply to a batch of which nothing ran."""
    count = len(refusal.problems)
    problems = [
        {"code": it.code, "where": _clipped(it.where), "message": _clipped(it.message)}
        for it in refusal.problems[:MAX_NAMED_PROBLEMS]
    ]
    summary = f"refused, nothing ran: {count} problem{'s' if count != 1 else ''}. {problems[0]['message']}"
    body = {"batch_id": batch_id, "outcome": "refused", "summary": summary, "problems": problems}
    return Reply(body, compact(body).decode())


def _clipped(text: str) -> str:
    return text if len(text) <= MAX_PROBLEM_TEXT else f"{text[:MAX_PROBLEM_TEXT]}…"


def reply_to(plan: Plan, outcomes: Sequence[Outcome | None], batch_id: str, duration_s: float, limit: int) -> Reply:
    """The reply to a batch after `duration_s`, in at most about `limit` bytes of JSON.

    A call that has no outcome yet is `pending`.
    """
    blocks: list[dict[str, Any]] = []
    own = plan.shown(outcomes)
    results: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    serial_s = 0.0
    for step, outcome in own:
        envelope = _envelope(step, outcome, blocks)
        results.append(envelope)
        counts[envelope["status"]] = counts.get(envelope["status"], 0) + 1
        if outcome is not None:
            serial_s += outcome.serial_s
        if step.tool is not None and step.tool.rules.result_limit is not None and "data" in envelope:
            _shorten(envelope, step.tool.rules.result_limit)
    ok = counts.get("ok", 0)
    told = f"{ok} of {len(own)} ok in {duration_s:.2f} s (one by one: {serial_s:.2f} s)"
    remark = _failures(own) if len(own) > ok else hint_of(plan, outcomes, duration_s)
    body: dict[str, Any] = {
        "batch_id": batch_id,
        "outcome": outcome_of(counts),
        "summary": f"{told}. {remark}" if remark else told,
        "counts": counts,
        "duration_ms": round(duration_s * 1000),
        "serial_ms": round(serial_s * 1000),
        "results": results,
    }
    text = compact(body)
    if len(text) > limit:
        _share(results, limit, len(text))
        text = compact(body)
    return Reply(body, text.decode(), tuple(blocks))


def counted(outcomes: Sequence[Outcome | None]) -> dict[str, int]:
    """How many calls ended how."""
    counts: dict[str, int] = {}
    for outcome in outcomes:
        status = "pending" if outcome is None else outcome.status
        counts[status] = counts.get(status, 0) + 1
    return counts


def outcome_of(counts: Mapping[str, int]) -> str:
    """The contract's word for a batch whose calls ended like this."""
    if "pending" in counts:
        return "pending"
    if "ok" not in counts:
        return "failed"
    return "ok" if len(counts) == 1 else "partial"


def _failures(own: _Shown) -> str:
    """What failed, the first few by name, and what is still running."""
    failed = [
        f"{step.call.id}: {outcome.result.code}"
        for step, outcome in own
        if outcome is not None and isinstance(outcome.result, Failure)
    ]
    named = failed[:MAX_NAMED_FAILURES]
    if len(failed) > len(named):
        named.append(f"and {len(failed) - len(named)} more")
    pending = sum(outcome is None for _, outcome in own)
    if pending:
        named.append(f"{pending} still running: get_result has them later")
    return ", ".join(named)


def _envelope(step: Step, outcome: Outcome | None, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    tool = step.call.tool if step.tool is None else step.tool.qualified
    envelope: dict[str, Any] = {"id": step.call.id, "tool": tool, "class": step.kind}
    if outcome is None:
        return envelope | {"status": "pending"}
    envelope["status"] = outcome.status
    envelope["duration_ms"] = round(outcome.duration_s * 1000)
    if outcome.queued_s * 1000 >= _MIN_QUEUED_MS:
        envelope["queued_ms"] = round(outcome.queued_s * 1000)
    if outcome.coalesced:
        envelope["coalesced"] = True
    if outcome.attempts > 1:
        envelope["attempts"] = outcome.attempts
    if outcome.replayed:
        envelope["replayed"] = True
    if isinstance(outcome.result, Answer):
        data = outcome.result.data
        envelope["data"] = data if step.call.select is None else _selected(step.call.select, data)
        if outcome.result.blocks:
            # The first block of the reply is its text, so the blocks behind it count from 1.
            first = len(blocks) + 1
            blocks += outcome.result.blocks
            envelope["content"] = list(range(first, len(blocks) + 1))
    else:
        envelope |= _of_failure(step, outcome, outcome.result)
    if outcome.items is not None:
        envelope["items"] = _items_of(step, outcome.items)
    return envelope


def _of_failure(step: Step, outcome: Outcome, failure: Failure) -> dict[str, Any]:
    """What an envelope says of a call that did not end ok."""
    told: dict[str, Any] = {"error_code": failure.code, "error": failure.message}
    if is_retryable(failure, step, outcome):
        told["retryable"] = True
    if failure.retry_after_s is not None:
        told["retry_after_s"] = round(failure.retry_after_s, 3)
    if outcome.items is not None:
        told["data"] = [_data_of(item) for item in outcome.items]
    if outcome.parts is not None and any(part.ok for part in outcome.parts.values()):
        told["data"] = {name: _data_of(part) for name, part in outcome.parts.items()}
    return told


def _data_of(item: Outcome) -> Any:
    return item.result.data if isinstance(item.result, Answer) else None


def _items_of(step: Step, items: Sequence[Outcome]) -> dict[str, Any]:
    """How many items there were, and what became of those that did not end ok; their data is null."""
    failed = [
        {"id": f"{step.call.id}[{number}]", "status": item.status, "error_code": item.result.code}
        | {"error": item.result.message}
        for number, item in enumerate(items)
        if isinstance(item.result, Failure)
    ]
    return {"count": len(items), "failed": failed} if failed else {"count": len(items)}


def is_retryable(failure: Failure, step: Step, outcome: Outcome) -> bool:
    """Whether the same call, sent again, may succeed without being applied twice."""
    if step.kind == "write" and step.gathers:
        return False  # a write in it may have been applied, whatever failed
    if step.kind == "write" and step.call.idempotency_key is None and any(item.ok for item in outcome.items or ()):
        return False  # what was applied would be applied again
    return failure.code in RETRYABLE or (failure.code == "UPSTREAM_ERROR" and step.kind == "read")


def _selected(select: str | tuple[str, ...], data: Any) -> Any:
    """The parts of `data` that a call asked for: one path gives its value, several give one for each path."""
    work = Work()
    try:
        if isinstance(select, str):
            return _at(select, data, work)
        return {path: _at(path, data, work) for path in select} or None
    except BadPathError:
        # Found out only now, with the call made: the budget cuts what is too much.
        return data


def _at(text: str, data: Any, work: Work) -> Any:
    path = compile_path(text)
    matches = path.of(data, work)
    return (matches[0] if matches else None) if path.singular else matches


def _shorten(envelope: dict[str, Any], limit: int) -> None:
    """Cut an envelope's data to `limit` bytes, and say so in it; or its error text."""
    if "error" in envelope:
        envelope["error"] = cut(envelope["error"], limit).data
    if "data" not in envelope:
        return
    shortened = cut(envelope["data"], limit)
    if shortened.bytes < shortened.of:
        before = envelope.get("truncated")
        envelope["data"] = shortened.data
        envelope["truncated"] = {"bytes": shortened.bytes, "of": before["of"] if before else shortened.of}


def _share(results: Sequence[dict[str, Any]], limit: int, total: int) -> None:
    """Cut the largest results until the reply fits."""
    sizes = [size_of(envelope.get("data", envelope.get("error", ""))) for envelope in results]
    frame = total - sum(sizes) + _ROOM_FOR_MARKS * len(results)
    share = fair_limit(sizes, max(limit - frame, 0))
    for envelope, size in zip(results, sizes, strict=True):
        if size > share:
            _shorten(envelope, share)
