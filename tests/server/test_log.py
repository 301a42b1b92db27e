"""The log on stderr: one line for a batch, and never what went in or came out."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.gates import Shop, client_of, gate_with, look, pay, text
from tests.virtual_time import in_virtual_time

from headgate.server.log import set_up_log

CANARY = "c4n4ry-5ecret"


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("headgate")
    before = (root.handlers, root.level, own.level)
    yield
    root.handlers, root.level, own.level = before


@in_virtual_time
async def test_a_batch_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_log(as_json=False)
    async with gate_with(shop=Shop()) as gate:
        reply = await gate.batch([look("a", 1), look("b", 2), {"id": "c", "tool": "shop__nope"}])

    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"headgate: batch {reply['batch_id']} partial: 2 ok, 1 error in 2000 ms (one by one: 3000 ms): "
        "shop__look x2, shop__nope"
    )


@in_virtual_time
async def test_as_json_the_line_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_log(as_json=True)
    async with gate_with(shop=Shop()) as gate:
        reply = await gate.batch([look("a", 1), pay("b", 2)])

    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert entry.pop("time")
    assert entry == {
        "level": "info",
        "logger": "headgate.batch",
        "batch_id": reply["batch_id"],
        "outcome": "ok",
        "calls": 2,
        "counts": {"ok": 2},
        "parallel": True,
        "duration_ms": 3000,
        "serial_ms": 3000,
        "tools": {"shop__look": 1, "shop__pay": 1},
    }


@in_virtual_time
async def test_a_batch_that_outlasts_its_reply_is_logged_once_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_log(as_json=True)
    async with gate_with(shop=Shop(), answer_within_s=1) as gate:
        await gate.batch([pay("a", 4)])
        assert capsys.readouterr().err == ""

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["duration_ms"] == 4000


@pytest.mark.parametrize("as_json", [False, True], ids=["as text", "as JSON"])
@pytest.mark.parametrize("mode", ["auto", "legacy"])
@in_virtual_time
async def test_neither_arguments_nor_results_are_logged_whatever_goes_wrong(
    capsys: pytest.CaptureFixture[str], mode: str, *, as_json: bool
) -> None:
    set_up_log(as_json=as_json)
    results: dict[str, dict[str, Any]] = {
        "fine": text(CANARY, structuredContent={CANARY: CANARY}),
        "failed": text(CANARY, isError=True),
        "odd": {"content": [{"type": CANARY, "text": CANARY}], "structuredContent": CANARY},
        "odder": {"content": CANARY, "_meta": CANARY},
        "worse": {"content": [{"type": "text", "text": CANARY}], "isError": CANARY},
    }
    async with gate_with(shop=Shop(results=results)) as gate, client_of(gate, mode) as client:
        for name in (*results, "look"):
            arguments = {"tag": CANARY, "s": CANARY if name == "look" else 0}
            await client.call_tool(f"shop__{name}", arguments)
            await client.call_tool("batch_call", {"calls": [{"tool": name, "arguments": arguments}]})
        await client.call_tool("find_tools", {"query": CANARY, CANARY: CANARY})
        await client.call_tool("get_result", {"batch_id": CANARY, "path": CANARY})
        await client.call_tool("batch_call", {"calls": [{"tool": "look", "arguments": CANARY}]})

    logged = capsys.readouterr().err
    assert "shop__fine" in logged
    assert CANARY not in logged


@given(secret=st.text(min_size=8))
def test_of_an_exception_its_kind_and_place_are_logged_and_not_its_text(secret: str) -> None:
    record = logging.LogRecord("headgate", logging.ERROR, "", 0, "it failed", None, None)
    try:
        int(CANARY + secret)
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)

    set_up_log(as_json=False)
    (handler,) = logging.getLogger().handlers
    line = handler.format(record)

    assert line.endswith("ValueError")
    assert __file__ in line
    assert CANARY not in line


def test_libraries_are_heard_only_when_something_broke(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_log(as_json=False)

    logging.getLogger("mcp.server").warning("chatter")
    logging.getLogger("uvicorn.error").error("broken")
    logging.getLogger("headgate.gate").info("news")

    assert capsys.readouterr().err == "headgate: broken\nheadgate: news\n"
