"""Reads that start on a default before it is known whether it is right."""

from typing import Any

from tests.tools.building import call, plan_of, ref, refusal_of
from tests.tools.playing import Play

from headgate.tools.guesses import same_arguments
from headgate.tools.outcome import Answer, Failure
from headgate.tools.schedule import Cancelled, Expired

NO = Failure("error", "TOOL_ERROR", "it says no")


def guess(default: Any = 7, **more: Any) -> dict[str, Any]:
    return ref("real", "$.n", default=default, speculate=True, **more)


def play(default: Any = 7) -> Play:
    return Play(plan_of(call("a.get", "real"), call("b.get", "guess", x=guess(default))))


def test_a_read_that_guesses_starts_with_the_call_that_it_guesses_about() -> None:
    assert play().begun == ["start real", "start guess"]


def test_a_right_guess_that_is_answered_first_counts_once_it_is_known_to_be_right() -> None:
    right = play()

    assert right.end("guess", Answer("early")) == []
    assert "guess" not in right.became()
    assert right.end("real", Answer({"n": 7})) == []
    assert right.outcome("guess").result == Answer("early")


def test_a_right_guess_still_under_way_goes_on() -> None:
    right = play()

    assert right.end("real", Answer({"n": 7})) == []
    right.end("guess", Answer("late"))
    assert right.outcome("guess").result == Answer("late")


def test_a_wrong_guess_under_way_is_stopped_and_sent_again_with_the_real_value() -> None:
    wrong = play()

    assert wrong.end("real", Answer({"n": 8})) == ["cancel guess", "start guess"]
    wrong.end("guess", Answer("real"))
    assert wrong.outcome("guess").result == Answer("real")


def test_the_answer_to_a_wrong_guess_is_thrown_away() -> None:
    wrong = play()
    wrong.end("guess", Answer("wrong"))

    assert wrong.end("real", Answer({"n": 8})) == ["start guess"]
    assert "guess" not in wrong.became()


def test_where_the_other_fails_the_default_was_right() -> None:
    right = play()
    right.end("guess", Answer("early"))
    right.end("real", NO)

    assert right.became() == {"real": "TOOL_ERROR", "guess": "ok"}


def test_one_and_true_are_not_the_same_guess() -> None:
    assert play(default=1).end("real", Answer({"n": True})) == ["cancel guess", "start guess"]
    assert not same_arguments({"x": 1}, {"x": True})
    assert same_arguments({"x": [1]}, {"x": [1]})


def test_what_the_tool_does_not_take_ends_the_call_when_it_is_known() -> None:
    wrong = Play(plan_of(call("a.get", "real"), call("b.get", "guess", bad=guess(default=0))))

    assert wrong.end("real", Answer({"n": 1})) == ["cancel guess"]
    assert wrong.became()["guess"] == "INVALID_ARGUMENTS"


def test_a_guess_waits_for_the_writes_before_it_all_the_same() -> None:
    behind = Play(plan_of(call("b.put", "write"), call("a.get", "real"), call("b.get", "guess", x=guess())))

    assert behind.begun == ["start write", "start real"]
    assert behind.end("write") == ["start guess"]


def test_what_is_held_when_the_batch_ends_is_cut_short() -> None:
    held = play()
    held.end("guess", Answer("early"))

    assert held.tell(Expired()) == ["cancel real", "cancel guess"]
    assert held.became() == {"real": "TOOL_TIMEOUT", "guess": "TOOL_TIMEOUT"}


def test_a_read_in_flight_that_is_cancelled_says_so() -> None:
    gone = play()
    gone.tell(Cancelled())

    assert gone.message("guess") == "cancelled while it ran"


def test_a_write_must_not_guess_nor_a_list_and_a_guess_needs_a_default() -> None:
    assert refusal_of(call("a.get", "real"), call("b.put", "w", x=guess())) == [("BAD_REFERENCE", "calls[1]")]
    many = call("b.get", "each", for_each=[1], x=guess())
    assert refusal_of(call("a.get", "real"), many) == [("BAD_REFERENCE", "calls[1]")]
    bare = call("b.get", "r", x={"$from": "real", "speculate": True})
    assert refusal_of(call("a.get", "real"), bare) == [("BAD_REFERENCE", "calls[1].arguments.x")]
