"""Recipes over the tools of `building`, and a batch with them under way."""

from collections.abc import Mapping
from typing import Any

from tests.tools.building import CATALOGUE, batch_of, call, ref

from headgate.proxy.arguments import ArgumentChecker
from headgate.tools.outcome import Answer, Failure, Outcome
from headgate.tools.plan import Plan, make_plan
from headgate.tools.recipe import Recipe
from headgate.tools.refusal import Refusal
from headgate.tools.schedule import Cancelled, Command, Ended, Expired, Schedule, Start
from headgate.tools.splice import splice

CHECK = ArgumentChecker().check
KEY = {"$param": "key"}


def recipe(name: str, *calls: dict[str, Any], **params: Mapping[str, Any]) -> Recipe:
    return Recipe(name, name, params, batch_of(*calls).calls)


LOOK = recipe(
    "look",
    call("a.get", "x", k=KEY),
    call("b.get", "y", of=ref("x", "$.v"), n={"$param": "n"}),
    key={"type": "string"},
    n={"type": "integer", "default": 3},
)
PAY = recipe(
    "pay", call("a.get", "x", k=KEY), call("b.put", "w", k=ref("x", "$.v")), call("a.get", "z", k="other"), key={}
)
FALL = recipe("fall", call("a.get", "x"), call("b.get", "y", of=ref("x", "$.no", default=KEY)), key={})
EACH = recipe("each", {**call("a.get", "x", k={"$item": "$"}), "for_each": {"$param": "keys"}}, keys={"type": "array"})
LATE = recipe(
    "late", call("a.get", "y", of=ref("x", "$.v")), call("a.get", "x", k=KEY), call("b.put", "w", k={"$param": "odd"}),
    key={}, odd={"default": {"$from": "s", "path": "$.no"}},
)  # fmt: skip
TWO = recipe(
    "two", call("a.get", "x", k={"$param": "k"}), call("b.get", "y", of=ref("x", "$.no", default=KEY)), k={}, key={}
)
RECIPES = {it.name: it for it in (LOOK, PAY, FALL, EACH, LATE, TWO)}


def planned(*calls: dict[str, Any], one_by_one: bool = False, max_calls: int = 20, **options: Any) -> Plan | Refusal:
    spliced = splice(batch_of(*calls, **options), RECIPES, CATALOGUE, CHECK, max_calls=max_calls)
    return make_plan(spliced, CATALOGUE, CHECK, one_by_one=one_by_one)


def plan_of(*calls: dict[str, Any], **options: Any) -> Plan:
    plan = planned(*calls, **options)
    assert isinstance(plan, Plan), plan
    return plan


def problems_of(*calls: dict[str, Any], **options: Any) -> list[tuple[str, str]]:
    refusal = planned(*calls, **options)
    assert isinstance(refusal, Refusal), refusal
    return [(problem.code, problem.where) for problem in refusal.problems]


class Run:
    """A plan under way: what is in flight, and what each call went out with."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.schedule = Schedule(plan, CHECK)
        self.sent: dict[str, Mapping[str, Any]] = {}
        self.flying: dict[str, tuple[int, int | None]] = {}
        self._note(self.schedule.begin(0))

    def end(self, name: str, result: Any = None) -> None:
        index, item = self.flying.pop(name)
        answer = result if isinstance(result, Failure) else Answer(result)
        self._note(self.schedule.handle(Ended(index, Outcome(answer, 1, 0.0), item), 1))

    def tell(self, event: Expired | Cancelled) -> None:
        self._note(self.schedule.handle(event, 1))

    def _note(self, commands: list[Command]) -> None:
        for command in commands:
            name = self.plan.steps[command.index].call.id + ("" if command.item is None else f"[{command.item}]")
            if isinstance(command, Start):
                self.sent[name] = command.arguments
                self.flying[name] = (command.index, command.item)
            else:
                del self.flying[name]

    def results(self) -> dict[str, Any]:
        """What the request's own calls gave: their data, or how they failed; calls that have not ended are left out."""
        own = self.plan.shown(self.schedule.outcomes)
        return {step.call.id: _said(outcome) for step, outcome in own if outcome is not None}


def _said(outcome: Outcome) -> Any:
    result = outcome.result
    return result.data if isinstance(result, Answer) else (result.code, result.message)


FAILS = Failure("error", "TOOL_ERROR", "no such order")
UNKNOWN = Failure("unknown", "OUTCOME_UNKNOWN", "no answer")
