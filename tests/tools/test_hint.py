"""The one sentence that a summary may add."""

from typing import Any

from tests.tools.building import call, plan_of, ref

from headgate.tools.hint import hint_of
from headgate.tools.outcome import Answer, Failure, Outcome

DEPENDS: dict[str, Any] = {"depends_on": ["r"]}


def hint(*calls: dict[str, Any], took_s: float = 1.0, outcome: Outcome | None = None) -> str | None:
    """The hint for reads that each took `took_s` in a batch of two seconds."""
    ended = outcome or Outcome(Answer({}), took_s, 0.0)
    return hint_of(plan_of(*calls), [ended] * len(calls), 2.0)


def test_a_read_that_waited_for_another_and_uses_nothing_of_it_is_named() -> None:
    said = hint(call("a.get", "r", k="1"), call("b.get", "s", **DEPENDS))

    assert said == '"s" waited for "r" and uses nothing of it: without depends_on both run at once'


def test_the_one_that_lost_most_is_named() -> None:
    plan = plan_of(call("a.get", "r"), call("b.get", "s", **DEPENDS), call("b.list", "t", **DEPENDS))
    ends = [Outcome(Answer({}), 1.0, 0.0), Outcome(Answer({}), 1.5, 1.0), Outcome(Answer({}), 1.9, 1.0)]

    said = hint_of(plan, ends, 2.0)

    assert said is not None
    assert said.startswith('"t" waited')


def test_nothing_is_said_where_the_wait_was_for_a_reason() -> None:
    assert hint(call("a.get", "r"), call("b.get", "s", x=ref("r"), **DEPENDS)) is None
    assert hint(call("a.put", "r"), call("b.get", "s", **DEPENDS)) is None
    assert hint(call("a.get", "r"), call("b.put", "s", **DEPENDS)) is None
    assert hint(call("a.get", "r"), call("b.get", "s")) is None


def test_nothing_is_said_where_little_was_lost() -> None:
    assert hint(call("a.get", "r"), call("b.get", "s", **DEPENDS), took_s=0.05) is None


def test_nothing_is_said_of_a_call_that_failed_or_has_not_ended() -> None:
    failed = Outcome(Failure("error", "TOOL_ERROR", "no"), 1.0, 0.0)
    plan = plan_of(call("a.get", "r"), call("b.get", "s", **DEPENDS))

    assert hint(call("a.get", "r"), call("b.get", "s", **DEPENDS), outcome=failed) is None
    assert hint_of(plan, [Outcome(Answer({}), 1.0, 0.0), None], 2.0) is None
