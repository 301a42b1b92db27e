"""Which writes a person has to allow, and how they are put to that person."""

from typing import Any

import pytest
from tests.tools.building import CATALOGUE, batch_of, call, listing, plan_of, ref, takes_anything

from headgate.tools.catalogue import Catalogue
from headgate.tools.confirm import MAX_VALUE, asked_of, denied, question, writes_to_confirm
from headgate.tools.outcome import Failure
from headgate.tools.plan import Plan, make_plan
from headgate.tools.rules import ToolRules, UpstreamRules

CAREFUL = Catalogue([listing("shop", "look", "pay note", pay=ToolRules(confirm=True))])


def careful(*calls: dict[str, Any]) -> Plan:
    plan = make_plan(batch_of(*calls), CAREFUL, takes_anything)
    assert isinstance(plan, Plan)
    return plan


def test_only_writes_of_tools_with_confirm_are_asked_about() -> None:
    plan = careful(call("shop__look"), call("shop__pay"), call("shop__note"), call("shop__pay"))

    assert writes_to_confirm(plan, every_write=False) == (1, 3)


def test_every_write_is_asked_about_where_the_operator_wants_it() -> None:
    plan = plan_of(call("a__get"), call("a__put"), call("b__del"))

    assert writes_to_confirm(plan, every_write=True) == (1, 2)


def test_a_write_that_cannot_run_anyway_is_not_asked_about() -> None:
    plan = plan_of(call("a__put", bad=True), call("nobody__knows"), call("b__del"))

    assert writes_to_confirm(plan, every_write=True) == (2,)


def test_a_question_shows_each_write_with_all_of_its_arguments() -> None:
    plan = careful(call("shop__look", "order"), call("shop__pay", "refund", amount=5, to=["a", "b"]))

    asked = question(asked_of(plan, writes_to_confirm(plan, every_write=False)))

    assert asked == 'Allow this write?\n- refund: shop__pay\n    amount = 5\n    to = ["a","b"]'


def test_a_value_that_another_call_will_give_is_shown_as_where_it_comes_from() -> None:
    plan = careful(call("shop__look", "order"), call("shop__pay", id=ref("order", "$.id")), call("shop__pay"))

    asked = question(asked_of(plan, writes_to_confirm(plan, every_write=False)))

    assert 'id = what "order" gives at $.id' in asked
    assert asked.startswith("Allow these 2 writes, in this order?")


def test_a_long_value_is_cut_and_the_question_says_by_how_much() -> None:
    (line,) = question([("", "t", {"text": "x" * (MAX_VALUE + 40)})]).splitlines()[2:]

    assert line.endswith("… (42 characters more)")


def test_what_is_denied_fails_with_the_reason_and_nothing_else_changes() -> None:
    plan = careful(call("shop__look"), call("shop__pay"))

    steps = denied(plan, [1], "no").steps

    assert steps[0] == plan.steps[0]
    assert steps[1].fault == Failure("error", "DENIED", "no")


@pytest.mark.parametrize("confirm", [True, False])
def test_an_upstream_knows_whether_any_of_its_tools_wants_a_person_asked(*, confirm: bool) -> None:
    assert UpstreamRules(tools={"pay": ToolRules(confirm=confirm)}).confirms is confirm
    assert CATALOGUE.tools
