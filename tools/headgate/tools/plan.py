"""What each call of a batch waits for.

A plan is made whole before anything runs. It lists the calls in the order in which, one by one, they would have
been made: as listed, but a call that waits for a later one stands right behind it. From that order follow the
write chain and the read/write barriers, so a plan has no cycle but those that the request itself asks for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from headgate.tools.batch import Batch, Call
from headgate.tools.catalogue import Catalogue, NotFound, Tool
from headgate.tools.draft import Draft, Drafting, is_plain, unfit
from headgate.tools.filling import Asked, CheckArguments
from headgate.tools.order import cycle_in, serial_order
from headgate.tools.outcome import Failure, Outcome
from headgate.tools.refusal import Problem, Refusal
from headgate.tools.rules import ToolClass
from headgate.tools.scope import Barriers, Scope, scope_of
from headgate.tools.splice import Inside, Spliced

Serialize = Literal["batch", "upstream", "resource"]
_WHOLE_BATCH = Scope("")


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a plan. Numbers are positions in the request."""

    call: Call
    asked: Asked | None
    """What it is sent with; `None` where there is no such tool."""
    tool: Tool | None
    kind: ToolClass
    needs: tuple[int, ...]
    """Calls that must end ok first."""
    after: tuple[int, ...]
    """Calls that must have ended first, whatever became of them."""
    guesses: tuple[int, ...]
    """Calls whose data it does not wait for: it starts with defaults, and again if the data is other."""
    chain: Scope | None
    """For a write, the chain that it belongs to."""
    fault: Failure | None
    """Why it cannot run, where that is known already."""
    inside: Inside | None = None
    """What it is to a recipe."""

    @property
    def shown(self) -> bool:
        """Whether it is one of the request's own calls, and has an envelope."""
        return self.inside is None or self.inside.shown

    @property
    def gathers(self) -> bool:
        """Whether it is the call of a recipe, which ends when the recipe's calls have."""
        return self.inside is not None and self.inside.role == "gather"

    @property
    def upstream(self) -> str:
        """The upstream that it goes to; empty where the tool is unknown."""
        return "" if self.tool is None else self.tool.upstream


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch that can run."""

    batch: Batch
    steps: tuple[Step, ...]
    order: tuple[int, ...]
    """The positions of the steps in the order in which they would have been made one by one."""
    recipes: bool = False
    """Whether some of the steps are those of recipes."""
    one_by_one: bool = False
    """Whether each call waits for the last."""

    def shown(self, outcomes: Sequence[Outcome | None]) -> list[tuple[Step, Outcome | None]]:
        """The request's own calls, in its order, and what became of each."""
        if not self.recipes:
            return list(zip(self.steps, outcomes, strict=True))
        return [pair for pair in zip(self.steps, outcomes, strict=True) if pair[0].shown]

    def parts_of(self, index: int) -> range:
        """The steps that the one at `index`, the call of a recipe, gathers from: they stand right before it."""
        inside = self.steps[index].inside
        return range(index - (0 if inside is None else len(inside.parts)), index)

    def entry_of(self, index: int) -> int | None:
        """The step that holds the arguments of the recipe called at `index`, where they are not known before."""
        entry = self.parts_of(index).start - 1
        inside = self.steps[entry].inside if entry >= 0 else None
        return entry if inside is not None and inside.role == "params" else None

    def faulted(self, faults: Mapping[str, Failure]) -> "Plan":
        """The same plan in which the calls of these ids fail without being made; any that cannot run anyway stay so."""
        steps = (
            replace(step, fault=faults[step.call.id]) if step.fault is None and step.call.id in faults else step
            for step in self.steps
        )
        return replace(self, steps=tuple(steps))

    def stages(self) -> tuple[tuple[int, ...], ...]:
        """The steps by how many others each must wait for in a row: what one stage holds can run at once."""
        depth: dict[int, int] = {}
        for index in self.order:
            step = self.steps[index]
            depth[index] = 1 + max((depth[earlier] for earlier in (*step.needs, *step.after)), default=-1)
        stages: list[list[int]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
        for index in sorted(depth):
            stages[depth[index]].append(index)
        return tuple(map(tuple, stages))


def make_plan(
    asked: Batch | Spliced,
    catalogue: Catalogue,
    check_arguments: CheckArguments,
    *,
    serialize: Serialize = "batch",
    one_by_one: bool = False,
) -> Plan | Refusal:
    """The plan of a batch, or everything that is wrong with it. With `one_by_one`, each call waits for the last."""
    alone = _alone(asked, catalogue, check_arguments, one_by_one=one_by_one) if isinstance(asked, Batch) else None
    if alone is not None:
        return alone
    spliced = Spliced.plain(asked) if isinstance(asked, Batch) else asked
    batch, calls, places = spliced.batch, spliced.calls, spliced.places
    positions = {call.id: index for index, call in enumerate(calls)}
    drafting = Drafting(catalogue, check_arguments, positions, spliced.problems)
    if len(positions) < len(calls):
        drafting.problems.extend(_duplicates(batch))
    drafting.problems.extend(_bad_groups(batch, calls) if batch.groups else ())
    drafts = _drafts(drafting, spliced)
    problems = drafting.problems
    waits = [draft.waits for draft in drafts]
    free = not any(waits)
    cycle = () if free else cycle_in(waits)
    if cycle:
        names = " → ".join(calls[index].id for index in cycle)
        problems.append(Problem("CYCLE", places[cycle[0]], f"these calls wait for each other: {names}"))
    if problems:
        return Refusal(tuple(dict.fromkeys(problems)))
    order = tuple(range(len(drafts))) if free else serial_order(waits)
    steps = _steps(drafts, order, serialize, one_by_one=one_by_one)
    return Plan(batch, steps, order, recipes=bool(spliced.insides), one_by_one=one_by_one)


def _alone(batch: Batch, catalogue: Catalogue, check_arguments: CheckArguments, *, one_by_one: bool) -> Plan | None:
    """The plan of a single call with values for arguments: there is no order to find out about.

    Such a batch must cost little more than the call without one, so nothing is built for it that has no use.
    """
    call = batch.calls[0]
    if len(batch.calls) > 1 or batch.groups or not is_plain(call):
        return None
    tool = catalogue.find(call.tool)
    if isinstance(tool, NotFound):
        return None
    chain = _WHOLE_BATCH if tool.kind == "write" else None
    fault = unfit(tool, call, check_arguments)
    step = Step(call, Asked(call, tool, None, None), tool, tool.kind, (), (), (), chain, fault)
    return Plan(batch, (step,), (0,), one_by_one=one_by_one)


def _drafts(drafting: Drafting, spliced: Spliced) -> list[Draft]:
    """A look at each call; where one's recipe put it there, as what it is to that."""
    insides = spliced.insides
    if not insides:
        return [drafting.draft(place, call) for place, call in zip(spliced.places, spliced.calls, strict=True)]
    return [
        drafting.draft_inside(place, call, insides[index]) if index in insides else drafting.draft(place, call)
        for index, (place, call) in enumerate(zip(spliced.places, spliced.calls, strict=True))
    ]


def _duplicates(batch: Batch) -> Iterable[Problem]:
    first: dict[str, int] = {}
    for index, call in enumerate(batch.calls):
        if first.setdefault(call.id, index) != index:
            message = f'id "{call.id}" is already that of calls[{first[call.id]}]: give each call its own'
            yield Problem("DUPLICATE_ID", f"calls[{index}].id", message)


def _bad_groups(batch: Batch, calls: Iterable[Call]) -> Iterable[Problem]:
    labels = {call.parallel_group for call in calls}
    for label in batch.groups:
        if label not in labels:
            message = f'no call has the parallel_group "{label}"'
            yield Problem("INVALID_REQUEST", f"groups.{label}", message)


def writes_in(plan: Plan) -> Refusal | None:
    """The refusal of a batch that may hold reads only, where it holds anything else."""
    own = (step for step in plan.steps if step.shown)
    problems = [
        Problem("NOT_A_READ", f"calls[{index}]", _not_a_read(step))
        for index, step in enumerate(own)
        if step.kind == "write"
    ]
    return Refusal(tuple(problems)) if problems else None


def _not_a_read(step: Step) -> str:
    if step.tool is None:
        return step.fault.message if step.fault else "the tool is unknown"
    return f'"{step.tool.qualified}" is a write ({step.tool.reason}): send it with batch_call'


def _steps(drafts: list[Draft], order: tuple[int, ...], serialize: Serialize, *, one_by_one: bool) -> tuple[Step, ...]:
    """The drafts as steps, with what follows from their order."""
    ordering = _Ordering(serialize)
    steps: dict[int, Step] = {}
    previous: int | None = None
    for index in order:
        draft = drafts[index]
        earlier, chain = ordering.place(index, draft)
        guesses = draft.guesses
        if one_by_one:
            earlier, guesses = ([*guesses] if previous is None else [*guesses, previous]), ()
            previous = index
        after: tuple[int, ...] = ()
        if earlier or draft.soft:
            after = tuple(sorted({*draft.soft, *earlier}.difference(draft.needs)))
        if guesses:
            guesses = tuple(guess for guess in guesses if guess not in after)
        steps[index] = Step(
            draft.call,
            draft.asked,
            draft.tool,
            draft.kind,
            draft.needs,
            after,
            guesses,
            chain,
            draft.fault,
            draft.inside,
        )
    return tuple(steps[index] for index in range(len(drafts)))


class _Ordering:
    """The write chains and the read/write barriers of calls taken in order."""

    def __init__(self, serialize: Serialize) -> None:
        self._serialize: Serialize = serialize
        self._barriers = Barriers(chained=serialize != "resource")
        self._latest: dict[Scope, int] = {}

    def place(self, index: int, draft: Draft) -> tuple[list[int], Scope | None]:
        """The calls that the next one waits for because of its place, and, for a write, its chain."""
        if draft.inside is not None and not draft.inside.sends:
            return [], None
        if draft.kind == "read" and draft.asked is not None:
            return self._barriers.read(index, scope_of(draft.asked.tool, draft.call.arguments)), None
        chain = _chain_of(draft, self._serialize)
        earlier: list[int] = []
        if draft.asked is not None:
            earlier = self._barriers.write(index, _write_scope(draft.asked, self._serialize))
        if chain in self._latest:
            earlier.append(self._latest[chain])
        self._latest[chain] = index
        return earlier, chain


def _chain_of(draft: Draft, serialize: Serialize) -> Scope:
    if serialize == "batch":
        return _WHOLE_BATCH
    if serialize == "upstream" or draft.asked is None:
        return Scope(draft.upstream)
    return _write_scope(draft.asked, serialize)


def _write_scope(asked: Asked, serialize: Serialize) -> Scope:
    """What a write touches. Writes run side by side only where the operator declared their tool idempotent."""
    if serialize == "resource" and not asked.tool.rules.idempotent:
        return Scope(asked.tool.upstream)
    return scope_of(asked.tool, asked.call.arguments)
