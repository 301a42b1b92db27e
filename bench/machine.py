"""What deciding costs: planning a batch and walking its plan, without any I/O. Run by `make bench`, or alone."""

import gc
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from headgate.tools.batch import Batch, parse_batch
from headgate.tools.catalogue import Catalogue, Listing, Tool
from headgate.tools.outcome import Answer, Outcome
from headgate.tools.plan import Plan, make_plan
from headgate.tools.rules import UpstreamRules
from headgate.tools.schedule import Command, Ended, Schedule, Start

ROUNDS = 15
MOST_CALLS = 20_000
CATALOGUE = Catalogue(
    [Listing("up", UpstreamRules(), ({"name": "get", "annotations": {"readOnlyHint": True}}, {"name": "put"}))]
)


def takes_anything(_tool: Tool, _arguments: Any) -> str | None:
    """A schema that refuses nothing: what checking costs is not measured here."""
    return None


def parsed(calls: list[dict[str, Any]]) -> Batch:
    """The batch of `calls`."""
    batch = parse_batch({"calls": calls}, max_calls=MOST_CALLS)
    if not isinstance(batch, Batch):
        sys.exit(f"not a batch: {batch}")
    return batch


def planned(batch: Batch) -> Plan:
    """The plan of `batch`."""
    plan = make_plan(batch, CATALOGUE, takes_anything)
    if not isinstance(plan, Plan):
        sys.exit(f"no plan: {plan}")
    return plan


def walked(plan: Plan) -> None:
    """Walk `plan` to its end, each call answered at once."""
    schedule = Schedule(plan, takes_anything)
    commands: list[Command] = schedule.begin(0.0)
    outcome = Outcome(Answer({}), 1.0, 0.0)
    while commands:
        following: list[Command] = []
        for command in commands:
            if isinstance(command, Start):
                following += schedule.handle(Ended(command.index, outcome), 1.0)
        commands = following
    if not schedule.done:
        sys.exit("the schedule did not end")


def independent(count: int, tool: str = "up__get") -> list[dict[str, Any]]:
    """Calls that wait for nothing."""
    return [{"tool": tool, "arguments": {"n": number}} for number in range(count)]


def woven(count: int, edges: int) -> list[dict[str, Any]]:
    """Calls that each wait for the `edges` before them."""
    return [
        {
            "id": f"r{number}",
            "tool": "up__get",
            "depends_on": [f"r{other}" for other in range(max(0, number - edges), number)],
        }
        for number in range(count)
    ]


def seconds(work: Callable[[], object]) -> float:
    """Median time of `work`, in seconds of CPU: what else the machine does is not counted."""
    times: list[float] = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return median(times)


def plan_and_walk(calls: list[dict[str, Any]]) -> float:
    """Median seconds to plan and to walk `calls`, parsed before."""
    batch = parsed(calls)
    return seconds(lambda: walked(planned(batch)))


def main() -> None:
    """Print the table."""
    # As `headgate serve` does: what is loaded by now is kept out of every later collection.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    one, ten = plan_and_walk(independent(1_000)), plan_and_walk(independent(10_000))
    writes = plan_and_walk(independent(1_000, "up__put"))
    edges = woven(1_000, 5)
    batch = parsed(edges)
    weave = seconds(lambda: planned(batch))
    parsing = seconds(lambda: parsed(independent(1_000)))
    table = Table(title="What deciding costs", title_justify="left")
    for column in ("", "measured", "goal"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("plan and walk 1,000 reads that wait for nothing, each", f"{one * 1e3:.1f} µs", "≤ 10 µs")
    table.add_row("plan and walk a chain of 1,000 writes, each", f"{writes * 1e3:.1f} µs", "")
    table.add_row("parse 1,000 calls, each", f"{parsing * 1e3:.1f} µs", "")
    table.add_row("plan 1,000 calls with 5,000 edges", f"{weave * 1e3:.1f} ms", "≤ 50 ms")
    table.add_row("10,000 calls beside 1,000", f"{ten / one:.1f} x", "≤ 12 x")
    Console().print(table)


if __name__ == "__main__":
    main()
