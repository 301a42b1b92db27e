"""What each call of a batch waits for.

A plan is made whole before anything runs. It lists the calls in the order in which, one by one, they would have
been made: as listed, but a call that waits for a later one stands right behind it. From that order follow the
write chain and the read/write barriers, so a plan has no cycle but those that the request itself asks for.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from headgate.tools.batch import OWN_TOOLS, Batch, Call
from headgate.tools.catalogue import Catalogue, NotFound, Tool
from headgate.tools.jsonpath import BadPathError, compile_path
from headgate.tools.order import cycle_in, serial_order
from headgate.tools.outcome import Failure
from headgate.tools.reference import Template, scan
from headgate.tools.refusal import Problem, Refusal
from headgate.tools.rules import ToolClass
from headgate.tools.scope import Barriers, Scope, scope_of

Serialize = Literal["batch", "upstream", "resource"]
CheckArguments = Callable[[Tool, Mapping[str, Any]], str | None]
"""What is wrong with a call's arguments, as a sentence; `None` where the tool's schema takes them."""

_WHOLE_BATCH = Scope("")


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a plan. Numbers are positions in the request."""

    call: Call
    tool: Tool | None
    kind: ToolClass
    template: Template | None
    """The arguments, where references have to be filled in first."""
    needs: tuple[int, ...]
    """Calls that must end ok first."""
    after: tuple[int, ...]
    """Calls that must have ended first, whatever became of them."""
    chain: Scope | None
    """For a write, the chain that it belongs to."""
    fault: Failure | None
    """Why it cannot run, where that is known already."""

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


@dataclass(frozen=True, slots=True)
class _Draft:
    """A call with what it asks for itself, before its place in the order is known."""

    call: Call
    tool: Tool | None
    fault: Failure | None
    template: Template | None
    needs: tuple[int, ...]
    soft: tuple[int, ...]
    upstream: str
    """The upstream that it is meant for, also where that has no such tool; empty where the name says nothing of it."""

    @property
    def kind(self) -> ToolClass:
        return "write" if self.tool is None else self.tool.kind


def make_plan(
    batch: Batch,
    catalogue: Catalogue,
    check_arguments: CheckArguments,
    *,
    serialize: Serialize = "batch",
    one_by_one: bool = False,
) -> Plan | Refusal:
    """The plan of `batch`, or everything that is wrong with it. With `one_by_one`, each call waits for the last."""
    positions = {call.id: index for index, call in enumerate(batch.calls)}
    drafting = _Drafting(catalogue, check_arguments, positions)
    if len(positions) < len(batch.calls):
        drafting.problems.extend(_duplicates(batch))
    drafts = [drafting.draft(f"calls[{index}]", call) for index, call in enumerate(batch.calls)]
    problems = drafting.problems
    waits = [draft.needs + draft.soft for draft in drafts]
    free = not any(waits)
    cycle = () if free else cycle_in(waits)
    if cycle:
        names = " → ".join(batch.calls[index].id for index in cycle)
        problems.append(Problem("CYCLE", f"calls[{cycle[0]}]", f"these calls wait for each other: {names}"))
    if problems:
        return Refusal(tuple(problems))
    order = tuple(range(len(drafts))) if free else serial_order(waits)
    return Plan(batch, _ordered(drafts, order, serialize, one_by_one=one_by_one), order)


def _duplicates(batch: Batch) -> Iterable[Problem]:
    first: dict[str, int] = {}
    for index, call in enumerate(batch.calls):
        if first.setdefault(call.id, index) != index:
            message = f'id "{call.id}" is already that of calls[{first[call.id]}]: give each call its own'
            yield Problem("DUPLICATE_ID", f"calls[{index}].id", message)


def writes_in(plan: Plan) -> Refusal | None:
    """The refusal of a batch that may hold reads only, where it holds anything else."""
    problems = [
        Problem("NOT_A_READ", f"calls[{index}]", _not_a_read(step))
        for index, step in enumerate(plan.steps)
        if step.kind == "write"
    ]
    return Refusal(tuple(problems)) if problems else None


def _not_a_read(step: Step) -> str:
    if step.tool is None:
        return step.fault.message if step.fault else "the tool is unknown"
    return f'"{step.tool.qualified}" is a write ({step.tool.reason}): send it with batch_call'


@dataclass(frozen=True, slots=True)
class _Drafting:
    """Looks at each call by itself, and gathers what is wrong with any."""

    catalogue: Catalogue
    check_arguments: CheckArguments
    positions: Mapping[str, int]
    problems: list[Problem] = field(default_factory=list[Problem])

    def draft(self, where: str, call: Call) -> _Draft:
        template, wrong = scan(call.arguments, f"{where}.arguments")
        self.problems.extend(wrong)
        if call.select is not None:
            self.problems.extend(_bad_paths(call, where))
        if call.tool in OWN_TOOLS:
            self.problems.append(Problem("NESTED_BATCH", f"{where}.tool", f"{call.tool} cannot be part of a batch"))
        needs: tuple[int, ...] = ()
        soft: tuple[int, ...] = ()
        if template is not None or call.depends_on:
            needs, soft = self._waits_of(call, template, where)
        tool = self.catalogue.find(call.tool)
        if isinstance(tool, NotFound):
            upstream = self.catalogue.upstream_named_in(call.tool) or ""
            return _Draft(call, None, Failure("error", tool.code, tool.message), template, needs, soft, upstream)
        unfit = None if template else self.check_arguments(tool, call.arguments)
        fault = Failure("error", "INVALID_ARGUMENTS", unfit) if unfit else None
        return _Draft(call, tool, fault, template, needs, soft, tool.upstream)

    def _waits_of(self, call: Call, template: Template | None, where: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The calls that must end ok before `call`, and those that only must have ended."""
        references = template.references if template else ()
        hard = dict.fromkeys([*call.depends_on, *(ref.source for ref in references if ref.default is None)])
        soft = dict.fromkeys(ref.source for ref in references if ref.default is not None and ref.source not in hard)
        self.problems.extend(
            Problem("UNKNOWN_ID", where, f'it waits for "{identity}", and no call has that id')
            for identity in (*hard, *soft)
            if identity not in self.positions
        )
        return (
            tuple(self.positions[identity] for identity in hard if identity in self.positions),
            tuple(self.positions[identity] for identity in soft if identity in self.positions),
        )


def _bad_paths(call: Call, where: str) -> Iterable[Problem]:
    selected = (call.select,) if isinstance(call.select, str) else call.select or ()
    for path in selected:
        try:
            compile_path(path)
        except BadPathError as bad:
            yield Problem("BAD_REFERENCE", f"{where}.select", str(bad))


def _ordered(
    drafts: list[_Draft], order: tuple[int, ...], serialize: Serialize, *, one_by_one: bool
) -> tuple[Step, ...]:
    """The drafts as steps, with the chain and the barriers that follow from their order."""
    barriers = Barriers(chained=serialize != "resource")
    latest: dict[Scope, int] = {}
    steps: dict[int, Step] = {}
    previous: int | None = None
    for index in order:
        draft = drafts[index]
        after = set(draft.soft)
        chain: Scope | None = None
        if draft.kind == "write":
            chain = _chain_of(draft, serialize)
            if draft.tool is not None:
                after.update(barriers.write(index, _write_scope(draft.tool, draft.call, serialize)))
            if chain in latest:
                after.add(latest[chain])
            latest[chain] = index
        elif draft.tool is not None:
            after.update(barriers.read(index, scope_of(draft.tool, draft.call.arguments)))
        if one_by_one and previous is not None:
            after = {*draft.soft, previous}
        previous = index
        waits = tuple(sorted(after.difference(draft.needs))) if after else ()
        steps[index] = Step(draft.call, draft.tool, draft.kind, draft.template, draft.needs, waits, chain, draft.fault)
    return tuple(steps[index] for index in range(len(drafts)))


def _chain_of(draft: _Draft, serialize: Serialize) -> Scope:
    if serialize == "batch":
        return _WHOLE_BATCH
    if serialize == "upstream" or draft.tool is None:
        return Scope(draft.upstream)
    return _write_scope(draft.tool, draft.call, serialize)


def _write_scope(tool: Tool, call: Call, serialize: Serialize) -> Scope:
    """What a write touches. Writes run side by side only where the operator declared their tool idempotent."""
    if serialize == "resource" and not tool.rules.idempotent:
        return Scope(tool.upstream)
    return scope_of(tool, call.arguments)
