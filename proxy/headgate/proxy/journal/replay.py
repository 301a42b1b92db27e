"""What a caller is told of a write that held its key before: its outcome, or why there is none for it."""

from collections.abc import Mapping
from typing import Any

from headgate.proxy.attempt import Attempt
from headgate.proxy.connection import CallFailedError
from headgate.proxy.journal.journal import Found, JournalError
from headgate.tools.keys import Entry, judge

ASK_AGAIN_S = 1.0
"""When to ask again for a write that another process is making."""


def replayed(found: Found, fingerprint: str, attempt: Attempt) -> Mapping[str, Any]:
    """The recorded result of the write `found`, for a call with this fingerprint under the same key.

    Raises:
        CallFailedError: It is under way, it is another write, or what is recorded is a failure.

    """
    verdict = judge(Entry(found.fingerprint, found.ending.state), fingerprint, 0.0)
    if verdict == "other":
        raise other_arguments(attempt)
    if verdict == "busy":
        message = f'the same write under the key "{attempt.key}" is still under way: ask again later'
        raise CallFailedError("CONFLICT", message, sent=False, retry_after_s=ASK_AGAIN_S)
    attempt.replayed = True
    ending = found.ending
    if ending.result is not None:
        return ending.result
    if ending.state == "unknown":
        message = f"{ending.message or 'nobody saw its answer'} (write {found.id} of the journal)"
        raise CallFailedError("OUTCOME_UNKNOWN", message, sent=True)
    raise CallFailedError(ending.code or "UPSTREAM_ERROR", ending.message, sent=False)


def other_arguments(attempt: Attempt) -> CallFailedError:
    """The refusal of a key that belongs to other arguments."""
    message = (
        f'the key "{attempt.key}" belongs to a call of {attempt.tool.qualified} with other arguments: '
        "repeat that one as it was, or give this one a key of its own"
    )
    return CallFailedError("CONFLICT", message, sent=False)


def refused(wrong: JournalError) -> CallFailedError:
    """The refusal of a write that cannot be written down."""
    message = f"not sent: headgate makes no write that it cannot record, and {wrong}. Reads work as before"
    return CallFailedError("DENIED", message, sent=False)
