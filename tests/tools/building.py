"""Catalogues, batches and plans for tests, made of as few words as a test can do with."""

from collections.abc import Callable, Mapping
from typing import Any

from headgate.tools.batch import Batch, parse_batch
from headgate.tools.catalogue import Catalogue, Listing, Tool
from headgate.tools.plan import Plan, Serialize, make_plan
from headgate.tools.refusal import Refusal
from headgate.tools.rules import ToolRules, UpstreamRules
from headgate.tools.schedule import Cancel, Command, Schedule, Start

READ: dict[str, Any] = {"annotations": {"readOnlyHint": True}}


def listing(upstream: str, reads: str = "", writes: str = "", unavailable: str | None = None, **rules: Any) -> Listing:
    """An upstream with the reads and writes named, separated by blanks; `rules` are its tools', by tool name."""
    definitions = [{"name": name, **READ} for name in reads.split()] + [{"name": name} for name in writes.split()]
    return Listing(upstream, UpstreamRules(tools=rules), tuple(definitions), unavailable)


CATALOGUE = Catalogue(
    [
        listing(
            "a",
            "get list",
            "put del",
            get=ToolRules(resource="r:{k}"),
            put=ToolRules(resource="r:{k}", idempotent=True),
        ),
        listing("b", "get list", "put del"),
        listing("down", unavailable="connection refused"),
    ]
)


def takes_anything(_tool: Tool, _arguments: Mapping[str, Any]) -> str | None:
    return None


def refuses_bad(tool: Tool, arguments: Mapping[str, Any]) -> str | None:
    """A schema check that takes everything but an argument `bad`."""
    return f"{tool.qualified} takes no bad" if arguments.get("bad") else None


def call(tool: str, identity: str | None = None, /, **fields: Any) -> dict[str, Any]:
    """One call; fields that the contract knows are the call's own, the rest are its arguments."""
    own = {key: fields.pop(key) for key in ("depends_on", "select", "timeout_s", "for_each") if key in fields}
    return {"tool": tool, "arguments": fields, **own} | ({"id": identity} if identity else {})


def ref(source: str, path: str = "$", **more: Any) -> dict[str, Any]:
    return {"$from": source, "path": path, **more}


def batch_of(*calls: dict[str, Any], **options: Any) -> Batch:
    parsed = parse_batch({"calls": list(calls), **options}, max_calls=10_000)
    assert isinstance(parsed, Batch), parsed
    return parsed


def plan_of(*calls: dict[str, Any], serialize: Serialize = "batch", one_by_one: bool = False, **options: Any) -> Plan:
    plan = make_plan(batch_of(*calls, **options), CATALOGUE, refuses_bad, serialize=serialize, one_by_one=one_by_one)
    assert isinstance(plan, Plan), plan
    return plan


def refusal_of(*calls: dict[str, Any], check: Callable[..., str | None] = refuses_bad) -> list[tuple[str, str]]:
    """The codes and places of everything that is wrong with a batch that has the right shape."""
    refusal = make_plan(batch_of(*calls), CATALOGUE, check)
    assert isinstance(refusal, Refusal), refusal
    return [(problem.code, problem.where) for problem in refusal.problems]


def problems_with(raw: object, max_calls: int = 256) -> list[tuple[str, str]]:
    """The codes and places of everything that is wrong with the shape of a request."""
    refusal = parse_batch(raw, max_calls=max_calls)
    assert isinstance(refusal, Refusal), refusal
    return [(problem.code, problem.where) for problem in refusal.problems]


def schedule_of(plan: Plan) -> Schedule:
    return Schedule(plan, refuses_bad)


def words(plan: Plan, commands: list[Command]) -> list[str]:
    """Commands as sentences: `start order`, `cancel ship`, `start each[2]`."""
    said = {Start: "start", Cancel: "cancel"}
    return [f"{said[type(command)]} {plan.steps[command.index].call.id}{_item(command)}" for command in commands]


def _item(command: Command) -> str:
    return "" if command.item is None else f"[{command.item}]"
