"""The five kinds of calls in docs/five-kinds.md: each example gives as a batch what it gives one by one, sooner."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from headgate.proxy.target import StdioTarget
from headgate.server.opening import open_gate
from headgate.server.settings import HeadgateSettings, Settings, UpstreamSettings
from headgate.tools.rules import UpstreamRules

DOCUMENT = Path(__file__).parents[2] / "docs" / "five-kinds.md"
EXAMPLES = [
    json.loads(text) for text in re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
]
PACE = "0.2"
SOONER = 0.9
"""The batch takes at most this share of the time of one by one; the worst of the examples needs 0.62 of it."""
MOMENTS = re.compile(r"\d{4}-\d{2}-\d{2}T[^\"]*")


def settings(*, parallel: bool) -> Settings:
    names = ("orders", "payments", "shipments")
    targets = {name: StdioTarget(sys.executable, ("-m", "headgate.server.demo.servers", name, PACE)) for name in names}
    upstreams = {name: UpstreamSettings(name, target, UpstreamRules()) for name, target in targets.items()}
    return Settings(HeadgateSettings(parallel=parallel), upstreams)


async def answered(request: dict[str, Any], *, parallel: bool) -> dict[str, Any]:
    async with open_gate(settings(parallel=parallel)) as gate:
        await gate.settled(30)
        return await gate.batch(request)


def told(reply: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What each call gave, without the moments at which writes were made."""
    return [(it["id"], it["status"], MOMENTS.sub("then", json.dumps(it.get("data")))) for it in reply["results"]]


def test_there_is_an_example_of_each_kind() -> None:
    assert len(EXAMPLES) == 5


@pytest.mark.anyio
@pytest.mark.parametrize("request_", EXAMPLES, ids=["independent", "fan-out", "soft", "hard", "writes"])
async def test_the_batch_gives_what_one_by_one_gives_in_less_time(request_: dict[str, Any]) -> None:
    one_by_one = await answered(request_, parallel=False)
    batch = await answered(request_, parallel=True)

    assert told(batch) == told(one_by_one)
    assert batch["outcome"] == "ok"
    assert batch["duration_ms"] <= SOONER * one_by_one["duration_ms"]
