"""Small parts that tests of the proxy are put together from."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any

from headgate.proxy.attempt import Attempt
from headgate.proxy.capacity import Capacity
from headgate.tools.batch import Batch, parse_batch
from headgate.tools.catalogue import Catalogue, Listing, Tool
from headgate.tools.plan import Plan, make_plan
from headgate.tools.rules import ToolClass, ToolRules, UpstreamRules

OBJECT = {"type": "object"}
_NUMBERS = count()


def definition(name: str, kind: ToolClass = "read", schema: Mapping[str, Any] = OBJECT) -> dict[str, Any]:
    """A tool as an upstream declares it."""
    return {"name": name, "inputSchema": schema, "annotations": {"readOnlyHint": kind == "read"}}


def tool(
    name: str = "look",
    kind: ToolClass = "read",
    rules: ToolRules | None = None,
    schema: Mapping[str, Any] = OBJECT,
    upstream: str = "up",
) -> Tool:
    """A tool as the catalogue has it."""
    declared = definition(name, kind, schema)
    return Tool(upstream, name, f"{upstream}__{name}", kind, "in a test", rules or ToolRules(), declared)


def attempt(of: Tool | None = None, timeout_s: float = 30.0, batch: tuple[Capacity, ...] = ()) -> Attempt:
    """A call on its way, like no other."""
    return Attempt(of or tool(), {"call": next(_NUMBERS)}, timeout_s, batch, asyncio.get_running_loop().time())


def answer(data: Any = None) -> dict[str, Any]:
    """A `tools/call` result."""
    return {"content": [], "structuredContent": data if data is not None else {"ok": True}}


def plan_of(calls: list[dict[str, Any]], listings: list[Listing], **request: Any) -> Plan:
    """The plan of a batch that is as it should be."""
    batch = parse_batch({"calls": calls, **request}, max_calls=10_000)
    assert isinstance(batch, Batch), batch
    plan = make_plan(batch, Catalogue(listings), lambda _tool, _arguments: None)
    assert isinstance(plan, Plan), plan
    return plan


def listing(upstream: str, *definitions: Mapping[str, Any], rules: UpstreamRules | None = None) -> Listing:
    """What an upstream lists."""
    return Listing(upstream, rules or UpstreamRules(), definitions)


async def all_at_once(*jobs: Awaitable[Any] | Callable[[], Awaitable[Any]]) -> list[Any]:
    """What the jobs gave, run side by side; the first that raises ends the others."""

    async def run(job: Awaitable[Any] | Callable[[], Awaitable[Any]]) -> Any:
        return await (job() if callable(job) else job)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(run(job)) for job in jobs]
    return [task.result() for task in running]


async def turns(count: int = 5) -> None:
    """Let whatever is ready go on."""
    for _ in range(count):
        await asyncio.sleep(0)
