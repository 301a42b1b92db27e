"""What can become of one call."""

import pytest

from headgate.tools.outcome import RETRYABLE, Answer, Failure, Outcome


def test_an_answered_call_is_ok_and_a_failed_one_says_how() -> None:
    failed = Outcome(Failure("unknown", "OUTCOME_UNKNOWN", "no answer"), 3, 1)

    assert (Outcome(Answer(None), 3, 1).ok, Outcome(Answer(None), 3, 1).status) == (True, "ok")
    assert (failed.ok, failed.status) == (False, "unknown")


@pytest.mark.parametrize(("started_at", "duration_s"), [(None, 0.0), (1.0, 2.0), (3.0, 0.0)])
def test_a_call_takes_from_going_out_to_its_end(started_at: float | None, duration_s: float) -> None:
    assert Outcome(Answer(1), 3.0, started_at).duration_s == duration_s


def test_what_may_have_been_applied_or_would_fail_again_is_not_retryable() -> None:
    assert not RETRYABLE & {"OUTCOME_UNKNOWN", "TOOL_ERROR", "UNKNOWN_TOOL", "INVALID_ARGUMENTS", "RESULT_TOO_LARGE"}
    assert {"TOOL_TIMEOUT", "UPSTREAM_UNAVAILABLE", "CHAIN_HALTED"} <= RETRYABLE
