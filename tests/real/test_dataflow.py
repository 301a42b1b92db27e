"""Data flowing from call to call, over the official servers, in one batch and without a model in between."""

from pathlib import Path
from typing import Any

import pytest
from tests.config import write_config
from tests.real.gates import ready_gate
from tests.real.servers import all_upstreams, make_repository

pytestmark = pytest.mark.real

ORDERS = [
    {"name": f"order {number}", "entityType": "order", "observations": [f"ships on day {number}"]}
    for number in (17, 18, 19)
]


async def test_a_search_the_details_of_each_hit_and_one_summary_written_take_one_batch(tmp_path: Path) -> None:
    config = write_config(tmp_path, all_upstreams(tmp_path, make_repository(tmp_path / "repository")))
    summary = tmp_path / "files" / "summary.txt"
    details = {"$from": "details", "path": "$[*].entities[*].observations[*]"}
    calls: list[dict[str, Any]] = [
        {"id": "hits", "tool": "memory__search_nodes", "arguments": {"query": "order"}},
        {
            "id": "details",
            "tool": "memory__open_nodes",
            "for_each": {"$from": "hits", "path": "$.entities[*].name"},
            "arguments": {"names": [{"$item": "$"}]},
        },
        {
            "id": "summary",
            "tool": "files__write_file",
            "arguments": {"path": str(summary), "content": {"$format": "Found: {all}", "all": details}},
        },
    ]
    async with ready_gate(config) as gate:
        await gate.batch([{"tool": "memory__create_entities", "arguments": {"entities": ORDERS}}])
        reply = await gate.batch(calls)

    assert [result["status"] for result in reply["results"]] == ["ok", "ok", "ok"], reply
    assert reply["results"][1]["items"] == {"count": 3}
    found = [entity["observations"] for result in reply["results"][1]["data"] for entity in result["entities"]]
    assert found == [order["observations"] for order in ORDERS]
    assert summary.read_text(encoding="utf-8") == ('Found: ["ships on day 17","ships on day 18","ships on day 19"]')
