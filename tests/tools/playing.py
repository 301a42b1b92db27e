"""A schedule played step by step, in words."""

from tests.tools.building import schedule_of, words

from headgate.tools.outcome import Answer, Failure, Outcome
from headgate.tools.plan import Plan
from headgate.tools.schedule import Ended, Event, Schedule


class Play:
    """A schedule driven by ids instead of numbers; `each[2]` is the item at 2 of the call `each`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.schedule: Schedule = schedule_of(plan)
        self.begun = words(plan, self.schedule.begin(0))
        self._ids = [step.call.id for step in plan.steps]

    def end(self, identity: str, result: Answer | Failure | None = None, now: float = 1) -> list[str]:
        name, _, item = identity.removesuffix("]").partition("[")
        outcome = Outcome(result or Answer({}), now, 0)
        event = Ended(self._ids.index(name), outcome, int(item) if item else None)
        return words(self.plan, self.schedule.handle(event, now))

    def tell(self, event: Event, now: float = 1) -> list[str]:
        return words(self.plan, self.schedule.handle(event, now))

    def outcome(self, identity: str) -> Outcome:
        outcome = self.schedule.outcomes[self._ids.index(identity)]
        assert outcome is not None
        return outcome

    def became(self) -> dict[str, str]:
        """The status, or the error code, of each call that has ended."""
        ended = zip(self._ids, self.schedule.outcomes, strict=True)
        return {
            identity: "ok" if isinstance(outcome.result, Answer) else outcome.result.code
            for identity, outcome in ended
            if outcome is not None
        }

    def message(self, identity: str) -> str:
        outcome = self.schedule.outcomes[self._ids.index(identity)]
        assert outcome is not None
        assert isinstance(outcome.result, Failure)
        return outcome.result.message
