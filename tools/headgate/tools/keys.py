"""What an idempotency key means: whether a write under it is made, or answered by the one that had it before.

A key is somebody's promise that two calls are one write. It holds for one principal and one tool, and for one set of
arguments: the *fingerprint*. A write under a key goes through few states:

    intent ──> ok, failed     it was answered
      │
      ├─────> not_sent        it provably never went out: the key is free again
      └─────> unknown ──> ok, failed, not_sent     it may have been applied, until it turns out or a person settles it

Nothing here knows where that is written down, or what time it is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

KEPT_S = 24 * 3600.0
"""How long a key answers for its write once the outcome is known, in seconds."""

WriteState = Literal["intent", "ok", "failed", "unknown", "not_sent"]
Verdict = Literal["execute", "replay", "busy", "other"]
"""Make the write; give the recorded outcome; it is being made; the key belongs to other arguments."""

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

_MOVES: Mapping[WriteState, frozenset[WriteState]] = {
    "intent": frozenset(("ok", "failed", "unknown", "not_sent")),
    "unknown": frozenset(("ok", "failed", "not_sent")),
    "ok": frozenset(),
    "failed": frozenset(),
    "not_sent": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of the write that holds a key."""

    fingerprint: str
    state: WriteState
    ended_at: float | None = None
    """When it was settled, on the clock that `judge` is given; `None` while it is not."""


def fingerprint(tool: str, arguments: Mapping[str, Any]) -> str:
    """What two calls of `tool` (its qualified name) have in common where all their arguments are the same: 64 digits.

    Raises:
        TypeError: The arguments are not plain JSON.

    """
    return sha256(f"{tool}\n{canonical(arguments)}".encode()).hexdigest()


def item_key(key: str, item: int | None) -> str:
    """The key of one item of a call that runs once for each of a list."""
    return key if item is None else f"{key}[{item}]"


def part_key(key: str, part: str) -> str:
    """The key of one call of a recipe; `part` is its id, that of the recipe's own call before the first dot."""
    return f"{key}.{part.partition('.')[2]}"


def canonical(value: Any) -> str:
    """The one JSON text for `value`, in whatever order its keys came; ASCII only."""
    return _CANONICAL.encode(value)


def judge(entry: Entry | None, wanted: str, now: float) -> Verdict:
    """What becomes of a call with the fingerprint `wanted` under a key that `entry` holds, if anybody does."""
    if entry is None or entry.state == "not_sent" or is_over(entry, now):
        return "execute"
    if entry.fingerprint != wanted:
        return "other"
    return "busy" if entry.state == "intent" else "replay"


def is_over(entry: Entry, now: float) -> bool:
    """Whether the key answers for this write no longer. One whose outcome is unknown never ends by itself."""
    return entry.state in ("ok", "failed") and entry.ended_at is not None and now - entry.ended_at >= KEPT_S


def may_become(state: WriteState, other: WriteState) -> bool:
    """Whether a write in `state` can turn out to be `other`: what is settled stays so, whoever says what later."""
    return other in _MOVES[state]
