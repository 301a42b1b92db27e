"""What a call waits for that has been asked for and has not gone out."""

from headgate.proxy.attempt import Attempt
from headgate.tools.cut_short import Queued


def queued(attempt: Attempt, now: float) -> Queued:
    """How long a call has waited that is under way, and for what it still does."""
    waits_for = awaited(attempt)
    waited_s = attempt.queued_s if waits_for is None else now - attempt.asked_at
    return Queued(waited_s, waits_for)


def awaited(attempt: Attempt) -> str | None:
    """What a call that is under way waits for before it goes out, in words; `None` if it may have gone out.

    One that is answered by an identical one has gone out when that one has.
    """
    leader = attempt if attempt.follows is None else attempt.follows.leader
    if leader.sent or leader.tried:
        return None
    upstream = f'upstream "{leader.tool.upstream}"'
    for cap in leader.line:
        if cap.paused_until is not None:
            return f"the end of the pause that {upstream} has asked for"
        if cap.free <= 0:
            return cap.name
    if leader.started_at is None and leader.tool.kind == "write":
        return f"its turn among the writes to {upstream}"
    return f"{upstream} to take it"
