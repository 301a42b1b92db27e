"""The walk of README.md: what stands behind headgate, what is asked of it, and the clients that ask.

The servers are those of the demo, ten times as quick as there, and so are the time limits: the story stays the same.
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import anyio
import tomlkit
from tests.config import write_config
from tests.real.servers import everything, node

from headgate.server.http.tokens import hash_of

Era = Literal["2025", "2026-07-28"]
README = Path(__file__).resolve().parents[2] / "README.md"
HERE = Path(__file__).parent / "walk"
WALK_LIMIT_S = 50
PACE = 0.1
TOKEN = "hg_for_the_walk_alone"  # noqa: S105 - no secret: it opens a headgate that lives for one test
PER_RUN = {
    "batch_id", "bytes", "duration_ms", "serial_ms", "queued_ms", "received_at", "recorded_at", "_meta", "resultType",
}  # fmt: skip
TOOLS = 23
"""Of all upstreams, once the official one has seen what its client can do."""
LONG = "long " * 1_200


@dataclass(frozen=True, slots=True)
class Walker:
    """A client: its program, and the package of the SDK that it goes by."""

    name: str
    program: str
    package: str
    eras: tuple[Era, ...]

    def command(self, order: Mapping[str, Any]) -> list[str]:
        """What starts it; `order` is as walk.mjs describes it."""
        start = node() if self.program.endswith(".mjs") else sys.executable
        return [start, str(HERE / self.program), json.dumps({**order, "package": self.package})]


WALKERS = (
    Walker("python", "walk.py", "mcp", ("2025", "2026-07-28")),
    Walker("typescript", "walk.mjs", "client", ("2025", "2026-07-28")),
    Walker("typescript-1", "walk.mjs", "sdk", ("2025",)),
)


def readme_batch() -> dict[str, Any]:
    """The request that README.md shows, its time limits as quick as the servers."""
    blocks: list[str] = re.findall(r"```json\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    batch = json.loads(next(block for block in blocks if block.startswith('{"calls"')))
    for call in batch["calls"]:
        if "timeout_s" in call:
            call["timeout_s"] *= PACE
    return batch


def steps() -> list[dict[str, Any]]:
    """What each client does, in this order. What of it is no call has a step of its own kind in the walks."""
    order = {"order_id": "A-17"}
    skus = {"$from": "order", "path": "$.items[*].sku"}
    note = {"tool": "orders__add_note", "arguments": {**order, "text": "The customer called"}}
    hold = {"tool": "everything__trigger-long-running-operation"}
    faults: list[dict[str, Any]] = [
        {"id": "nowhere", "tool": "orders__get_nothing", "arguments": {}},
        {"id": "wrong", "tool": "orders__get_order", "arguments": {"order": 17}},
        {"id": "none", "tool": "orders__get_order", "arguments": {"order_id": "A-18"}},
        {"id": "after", "tool": "payments__get_payment", "arguments": {"payment_id": {"$from": "none", "path": "$.p"}}},
    ]
    each = {"id": "each", "tool": "everything__echo", "for_each": skus, "arguments": {"message": {"$item": "$"}}}
    return [
        {"name": "ready", "kind": "ready", "of": TOOLS, "tool": "find_tools", "arguments": {"query": "refund"}},
        {"name": "tools", "kind": "tools"},
        {"name": "refused", "kind": "call", "tool": "batch_read", "arguments": readme_batch()},
        {"name": "planned", "kind": "call", "tool": "batch_call", "arguments": {**readme_batch(), "dry_run": True}},
        {"name": "batch", "kind": "call", "tool": "batch_call", "arguments": readme_batch()},
        {
            "name": "for each", "kind": "call", "tool": "batch_read",
            "arguments": {"calls": [{"id": "order", "tool": "get_order", "arguments": order, "select": []}, each]},
        },
        {
            "name": "cut", "kind": "pages", "tool": "batch_read", "limit": 2_500,
            "arguments": {"calls": [{"id": "long", "tool": "everything__echo", "arguments": {"message": LONG}}]},
        },
        {"name": "passed", "kind": "call", "tool": "orders__get_customer", "arguments": {"customer_id": "C-204"}},
        {"name": "passed error", "kind": "call", "tool": "orders__get_order", "arguments": {"order_id": "A-18"}},
        {"name": "image", "kind": "call", "tool": "everything__get-tiny-image", "arguments": {}},
        {"name": "errors", "kind": "call", "tool": "batch_call", "arguments": {"calls": faults}},
        {"name": "circle", "kind": "call", "tool": "batch_call", "arguments": {"calls": [
            {"id": "a", "tool": "get_order", "arguments": order, "depends_on": ["b"]},
            {"id": "b", "tool": "get_order", "arguments": order, "depends_on": ["a"]},
        ]}},
        {"name": "declined", "kind": "confirm", "allow": False, "tool": "batch_call", "arguments": {"calls": [note]}},
        {"name": "allowed", "kind": "confirm", "allow": True, "tool": "batch_call", "arguments": {"calls": [note]}},
        {"name": "allowed alone", "kind": "confirm", "allow": True, **note},
        {"name": "passed progress", "kind": "progress", **hold, "arguments": {"duration": 0.4, "steps": 2}},
        {
            "name": "batch progress", "kind": "progress", "tool": "batch_read",
            "arguments": {"calls": [{**hold, "arguments": {"duration": 0.4, "steps": 1}}]},
        },
        {"name": "cancelled", "kind": "cancel", "after_ms": 200, **hold, "arguments": {"duration": 60, "steps": 1}},
        {
            "name": "cancelled batch", "kind": "cancel", "after_ms": 200, "tool": "batch_call",
            "arguments": {"calls": [{**hold, "arguments": {"duration": 60, "steps": 1}}]},
        },
        {
            "name": "prompts", "kind": "prompts", "prompt": "everything__args-prompt",
            "arguments": {"city": "Lyon", "state": "Rhone"},
        },
        {
            "name": "completed", "kind": "complete", "prompt": "everything__completable-prompt",
            "argument": {"name": "department", "value": "E"},
        },
        {"name": "resources", "kind": "resources", "uri": "demo://resource/static/document/features.md"},
        {"name": "changed", "kind": "change", "awaited": "late__get_order"},
    ]  # fmt: skip


def walk_config(folder: Path, *, with_token: bool = False) -> Path:
    """A headgate.toml in front of the demo's servers and the official server that offers everything."""
    folder.mkdir(exist_ok=True)
    command, args = everything()
    upstreams: dict[str, Any] = {name: _sample(name) for name in ("orders", "payments", "shipments")}
    upstreams["orders"]["tools"] = {"add_note": {"confirm": True}}
    upstreams["everything"] = {"command": command, "args": args}
    tenants = {"tenants": {"walker": {"tokens": [hash_of(TOKEN)]}}} if with_token else {}
    return write_config(folder, upstreams, headgate={"reply_limit": "4KB"}, **tenants)


def session_config(folder: Path) -> Path:
    """The demo's servers alone."""
    upstreams: dict[str, Any] = {name: _sample(name) for name in ("orders", "payments", "shipments")}
    upstreams["orders"]["tools"] = {"add_note": {"confirm": True}}
    return write_config(folder, upstreams)


def session_steps() -> list[dict[str, Any]]:
    """The part of the walk that the recorded sessions have."""
    names = ("ready", "tools", "refused", "batch", "passed", "passed error", "declined", "allowed")
    found = {step["name"]: step for step in steps()}
    return [{**found[name], "of": 6} for name in names]


def addition() -> str:
    """What the operator puts into the file while headgate serves: one more upstream."""
    return "\n" + tomlkit.dumps({"upstreams": {"late": _sample("orders")}})


def _sample(name: str) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["-m", "headgate.server.demo.servers", name, str(PACE)]}


async def walk(walker: Walker, era: Era, config: Path, where: Mapping[str, Any]) -> dict[str, Any]:
    """What the client saw at each step, without what differs from run to run; `where` is `command` or `url`."""
    order = {"era": era, "steps": steps(), "config": str(config), "addition": addition(), **where}
    with anyio.fail_after(WALK_LIMIT_S):
        done = await anyio.run_process(walker.command(order), check=False)
    assert done.returncode == 0, f"{walker.name}: {done.stdout.decode()[-300:]}\n{done.stderr.decode()[-3_000:]}"
    said = [json.loads(line) for line in done.stdout.splitlines()]
    seen = {line["step"]: lasting(line["saw"]) for line in said}
    # The TypeScript SDK takes an answer before the notification that came right ahead of it, and then drops that one.
    seen["passed progress"]["seen"] = seen["passed progress"]["seen"][:1]
    return seen


def lasting(value: object) -> Any:
    """What was seen without what differs from run to run; an answer that comes as text too is taken once."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value)
        if items.get("structuredContent") is not None and items.get("content"):
            assert json.loads(items["content"][0]["text"]) == items["structuredContent"]
            items = {key: item for key, item in items.items() if key != "content"}
        return {key: lasting(item) for key, item in items.items() if key not in PER_RUN and item is not None}
    if isinstance(value, list):
        return [lasting(item) for item in cast("list[object]", value)]
    return re.sub(r"[\d.]+ (m?s)\b", r"N \1", value) if isinstance(value, str) else value
