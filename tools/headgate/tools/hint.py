"""One sentence for the model, where a batch took longer than it had to."""

from collections.abc import Sequence

from headgate.tools.outcome import Outcome
from headgate.tools.plan import Plan, Step
from headgate.tools.reference import Template

WORTH_S = 0.1
"""Seconds that must have been lost for a hint: less is not worth a sentence."""
WORTH_SHARE = 0.1
"""Share of the batch's time that must have been lost."""


def hint_of(plan: Plan, outcomes: Sequence[Outcome | None], duration_s: float) -> str | None:
    """What would have been faster: the read that waited longest for another of which it uses nothing."""
    if duration_s < WORTH_S:
        return None
    worst, lost_s = None, max(WORTH_S, WORTH_SHARE * duration_s)
    for step, outcome in zip(plan.steps, outcomes, strict=True):
        if outcome is None or not outcome.ok or not step.call.depends_on or step.kind != "read" or step.inside:
            continue
        for index in step.needs:
            earlier, other = plan.steps[index], outcomes[index]
            if other is None or earlier.kind != "read" or earlier.call.id in _used_by(step):
                continue
            saved_s = min(outcome.duration_s, other.duration_s)
            if saved_s >= lost_s:
                worst, lost_s = (step.call.id, earlier.call.id), saved_s
    if worst is None:
        return None
    return f'"{worst[0]}" waited for "{worst[1]}" and uses nothing of it: without depends_on both run at once'


def _used_by(step: Step) -> frozenset[str]:
    if step.asked is None:
        return frozenset()
    templates = (part for part in (step.asked.template, step.asked.each) if isinstance(part, Template))
    return frozenset(reference.source for template in templates for reference in template.references)
