"""What the caller of a call is told when it gave no result."""

import pytest

from headgate.proxy.connection import AnsweredWithErrorError, CallFailedError
from headgate.tools.outcome import ErrorCode
from headgate.tools.rules import ToolClass


@pytest.mark.parametrize(
    ("code", "sent", "kind", "status", "told"),
    [
        ("TOOL_TIMEOUT", True, "read", "timeout", "TOOL_TIMEOUT"),
        ("TOOL_TIMEOUT", True, "write", "unknown", "OUTCOME_UNKNOWN"),
        ("UPSTREAM_ERROR", True, "read", "error", "UPSTREAM_ERROR"),
        ("UPSTREAM_ERROR", True, "write", "unknown", "OUTCOME_UNKNOWN"),
        ("UPSTREAM_UNAVAILABLE", False, "read", "error", "UPSTREAM_UNAVAILABLE"),
        ("UPSTREAM_UNAVAILABLE", False, "write", "error", "UPSTREAM_UNAVAILABLE"),
    ],
)
def test_only_a_write_that_may_have_been_seen_is_unknown(
    code: ErrorCode, *, sent: bool, kind: ToolClass, status: str, told: str
) -> None:
    failure = CallFailedError(code, "it broke", sent=sent).failure(kind)

    assert (failure.status, failure.code) == (status, told)
    assert failure.message.startswith("it broke")
    assert ("check with a read" in failure.message) == (status == "unknown")


def test_an_answer_with_an_error_is_known_not_to_be_running() -> None:
    assert AnsweredWithErrorError("no such order").failure("write").status == "error"
