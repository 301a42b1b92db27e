"""How the calls of a batch end that is over before they are."""

from dataclasses import dataclass

from headgate.tools.outcome import Failure, Outcome

EXPIRED = Failure("skipped", "DEADLINE_EXCEEDED", "the batch's timeout passed before it started")
CANCELLED = Failure("skipped", "CANCELLED", "cancelled before it started")


@dataclass(frozen=True, slots=True)
class Queued:
    """What is known of a call that was told to start and had to wait before it went out."""

    waited_s: float
    """Seconds."""
    waits_for: str | None = None
    """What it still waits for, in words: nothing of it was sent. `None` once it has gone out."""


def cut_short(why: Failure, now: float, started_at: float | None, queued: Queued | None) -> Outcome:
    """The end of a read that was told to start at `started_at`, in a batch that is over because of `why`."""
    waited_s = 0.0 if queued is None else queued.waited_s
    if queued is not None and queued.waits_for is not None:
        return Outcome(not_sent(why, queued.waits_for), now, queued_s=waited_s)
    sent_at = None if started_at is None else started_at + waited_s
    return Outcome(_while_it_ran(why), now, sent_at, waited_s)


def not_sent(why: Failure, waits_for: str) -> Failure:
    """What is told of a call that was told to start and has not gone out."""
    if why.code != "DEADLINE_EXCEEDED":
        return why
    words = f"not sent: at the batch's timeout it waited for {waits_for}; send it again, with a longer timeout_s"
    return Failure("skipped", "DEADLINE_EXCEEDED", words)


def _while_it_ran(why: Failure) -> Failure:
    if why.code == "DEADLINE_EXCEEDED":
        return Failure("timeout", "TOOL_TIMEOUT", "no answer before the batch's timeout")
    return Failure("skipped", "CANCELLED", why.message.replace("before it started", "while it ran"))
