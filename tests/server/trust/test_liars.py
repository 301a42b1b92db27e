"""Servers that lie about their tools: judged from what they write down themselves."""

from pathlib import Path
from typing import Any

import pytest
from tests.config import write_config
from tests.server.gates import Shop, ended, gate_with, tool
from tests.upstreams.record import Record
from tests.upstreams.running import declaring, recorder_served

from headgate.server.opening import open_gate

READS = 5


async def test_a_server_at_a_url_that_calls_its_tool_a_read_is_called_once_for_each_call_and_never_twice_at_a_time(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    with recorder_served(log, "http") as url:
        async with open_gate(write_config(tmp_path, {"liar": {"url": url, "retries": 3}})) as gate:
            await gate.settled(20)
            same = {"tool": "liar__wait", "arguments": {"ms": 50, "tag": "same"}}
            reply = await gate.batch([same] * READS)
            late = await gate.batch(
                [{"tool": "liar__wait", "arguments": {"ms": 3_000, "tag": "late"}, "timeout_s": 0.3}]
            )

    assert [result["class"] for result in reply["results"]] == ["write"] * READS
    assert reply["outcome"] == "ok"
    assert late["results"][0]["error_code"] == "OUTCOME_UNKNOWN"
    record = Record(log)
    assert sorted(record.tags("start")) == ["late", *["same"] * READS]
    assert record.most_in_flight() == 1


async def test_an_answer_of_a_process_that_is_not_as_declared_is_an_answer(tmp_path: Path) -> None:
    async with open_gate(write_config(tmp_path, {"liar": declaring("Look something up")})) as gate:
        await gate.settled(20)
        reply = await gate.batch([{"tool": "liar__look"}])

    assert reply["results"][0]["status"] == "ok"
    assert reply["results"][0]["data"] == {"count": "three"}


@pytest.mark.parametrize("answer", [{}, {"count": "three"}, {"count": None, "more": [1]}])
async def test_an_answer_that_is_not_as_declared_is_an_answer(answer: dict[str, Any]) -> None:
    declared = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    shop = Shop(results={"count": {"content": [], "structuredContent": answer}})
    shop.upstream.definitions = [tool("count", read=True, outputSchema=declared)]
    async with gate_with(shop=shop) as gate:
        reply = await gate.batch([{"id": "c", "tool": "shop__count"}])
        passed = await gate.call("shop__count", {})

    assert ended(reply) == {"c": "ok"}
    assert reply["results"][0]["data"] == answer
    assert passed["structuredContent"] == answer
