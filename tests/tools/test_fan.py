"""A call that runs once for each item of a list."""

from typing import Any

import pytest
from tests.tools.building import call, plan_of, ref, refusal_of, schedule_of
from tests.tools.playing import Play

from headgate.tools.cut_short import Queued
from headgate.tools.fan import MAX_ITEMS, Fan
from headgate.tools.outcome import Answer, Failure, Outcome
from headgate.tools.schedule import Ended, Expired, Start

NO = Failure("error", "TOOL_ERROR", "it says no")
ITEM = {"$item": "$"}


def each(tool: str, items: Any, **fields: Any) -> dict[str, Any]:
    return call(tool, "each", for_each=items, **{"x": ITEM, **fields})


def test_reads_of_all_items_start_at_once() -> None:
    assert Play(plan_of(each("a.get", [1, 2, 3]))).begun == ["start each[0]", "start each[1]", "start each[2]"]


def test_the_data_is_the_list_of_results_in_the_lists_order_whichever_ended_first() -> None:
    play = Play(plan_of(each("a.get", ["x", "y"])))
    assert play.end("each[1]", Answer({"n": "y"})) == []
    assert not play.schedule.done
    play.end("each[0]", Answer({"n": "x"}))

    assert play.outcome("each").result == Answer([{"n": "x"}, {"n": "y"}])


def test_writes_run_one_by_one_and_the_first_that_fails_ends_them_and_the_chain() -> None:
    play = Play(plan_of(each("a.put", [1, 2, 3]), call("b.put", "later")))

    assert play.begun == ["start each[0]"]
    assert play.end("each[0]") == ["start each[1]"]
    assert play.end("each[1]", NO) == []
    assert play.became() == {"each": "TOOL_ERROR", "later": "CHAIN_HALTED"}
    assert [item.result for item in (play.outcome("each").items or ())[1:]] == [
        NO,
        Failure("skipped", "CHAIN_HALTED", "not sent: item 1 did not end ok"),
    ]


def test_an_item_that_has_ended_starts_nothing_by_ending_again() -> None:
    play = Play(plan_of(each("a.put", [1, 2])))
    assert play.end("each[0]") == ["start each[1]"]

    assert play.end("each[0]") == []
    assert play.end("each[0]", NO) == []
    assert play.end("each[1]") == []
    assert play.became() == {"each": "ok"}


def test_what_starts_next_is_always_a_range_of_items() -> None:
    fan = Fan([{}, {}, {}], in_turn=True)

    assert list(fan.end(0, Outcome(Answer(1), 1))) == [1]
    assert list(fan.end(1, Outcome(NO, 2))) == []
    assert fan.done


def test_a_read_of_which_one_item_fails_is_not_ok_and_names_it() -> None:
    play = Play(plan_of(each("a.get", [1, 2, 3]), call("b.get", "needs", depends_on=["each"])))
    for item, result in (("each[2]", NO), ("each[0]", None), ("each[1]", None)):
        play.end(item, result)

    assert play.became() == {"each": "TOOL_ERROR", "needs": "DEPENDENCY_FAILED"}
    assert play.message("each") == "1 of 3 items did not end ok; each[2]: it says no"


def test_the_list_may_come_out_of_another_calls_data() -> None:
    play = Play(plan_of(call("a.get", "list"), each("b.get", ref("list", "$.skus[*]"), x={"$item": "$.sku"})))
    assert play.begun == ["start list"]

    assert play.end("list", Answer({"skus": [{"sku": "A"}, {"sku": "B"}]})) == ["start each[0]", "start each[1]"]


def test_an_empty_list_is_ok_and_sends_nothing() -> None:
    play = Play(plan_of(each("a.get", []), call("b.get", "next", depends_on=["each"])))

    assert play.begun == ["start next"]
    assert play.outcome("each").result == Answer([])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"skus": "none"}, "INVALID_ARGUMENTS"),
        ({"skus": list(range(MAX_ITEMS + 1))}, "INVALID_ARGUMENTS"),
        ({}, "REFERENCE_NOT_FOUND"),
    ],
    ids=["not a list", "too long", "not there"],
)
def test_what_is_no_list_of_a_bearable_length_fails_the_call(data: dict[str, Any], code: str) -> None:
    play = Play(plan_of(call("a.get", "list"), each("b.get", ref("list", "$.skus"))))
    play.end("list", Answer(data))

    assert play.became()["each"] == code


def test_a_list_that_is_too_long_is_refused_with_the_way_out() -> None:
    assert refusal_of(each("a.get", list(range(MAX_ITEMS + 1)))) == [("TOO_MANY_CALLS", "calls[0].for_each")]
    assert refusal_of(each("a.get", list(range(MAX_ITEMS))), call("a.get", "each")) == [("DUPLICATE_ID", "calls[1].id")]


def test_an_item_is_refused_where_there_is_none_and_a_list_where_it_is_none() -> None:
    assert refusal_of(call("a.get", "r", x=ITEM), each("a.get", {"x": 1})) == [
        ("BAD_REFERENCE", "calls[0].arguments.x"),
        ("BAD_REFERENCE", "calls[1].for_each"),
    ]


def test_an_item_that_the_tool_does_not_take_is_found_before_anything_runs() -> None:
    play = Play(plan_of(call("b.put", "w"), call("a.put", "each", for_each=[0, 1], bad=ITEM)))

    assert play.begun == []
    assert play.message("each") == "each[1]: a__put takes no bad"
    assert play.became()["w"] == "CHAIN_HALTED"


def test_what_an_item_says_is_data_and_never_a_reference() -> None:
    plan = plan_of(call("a.get", "r"), each("b.get", ref("r")))
    schedule = schedule_of(plan)
    schedule.begin(0)
    said = [{"$from": "r"}, {"$item": "$"}, {"$format": "{x}"}]
    commands = schedule.handle(Ended(0, Outcome(Answer(said), 1, 0)), 1)

    assert [command.arguments["x"] for command in commands if isinstance(command, Start)] == said


def test_at_the_deadline_the_items_in_flight_end_and_those_answered_stay() -> None:
    play = Play(plan_of(each("a.get", [1, 2])))
    play.end("each[0]", Answer("first"))

    assert play.tell(Expired()) == ["cancel each[1]"]
    items = play.outcome("each").items
    assert items is not None
    assert [item.status for item in items] == ["ok", "timeout"]


@pytest.mark.parametrize(
    ("answered", "code", "message"),
    [
        (0, "DEADLINE_EXCEEDED", "2 of 2 items did not end ok; each[0]: not sent: "),
        (1, "TOOL_TIMEOUT", "1 of 2 items did not end ok; each[1]: not sent: "),
    ],
)
def test_a_list_was_not_sent_only_if_none_of_its_items_was(answered: int, code: str, message: str) -> None:
    play = Play(plan_of(each("a.get", [1, 2])))
    for item in range(answered):
        play.end(f"each[{item}]")
    play.tell(Expired({(0, item): Queued(1, "a permit") for item in range(answered, 2)}))

    assert play.became() == {"each": code}
    assert play.message("each").startswith(message)


def test_an_item_that_was_sent_says_what_became_of_the_call_before_one_that_was_not() -> None:
    play = Play(plan_of(each("a.get", [1, 2])))
    play.tell(Expired({(0, 0): Queued(1, "a permit")}))

    assert play.became() == {"each": "TOOL_TIMEOUT"}
    assert play.message("each") == "2 of 2 items did not end ok; each[1]: no answer before the batch's timeout"


def test_at_the_deadline_no_further_item_of_a_write_starts() -> None:
    play = Play(plan_of(each("a.put", [1, 2])))

    assert play.tell(Expired()) == []
    assert play.end("each[0]") == []
    items = play.outcome("each").items
    assert items is not None
    assert [item.status for item in items] == ["ok", "skipped"]
