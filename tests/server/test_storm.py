"""A real HTTP server that answers nothing but 503, and then is well again, through the whole of headgate."""

import asyncio
import time
from pathlib import Path
from typing import Any

from tests.config import write_config
from tests.proxy.endpoints.origin import origin, response
from tests.server.gates import by_id, ended
from tests.timings import SLACK_S

from headgate.server.opening import open_gate
from headgate.tools.breaker import LONGEST_S
from headgate.tools.retries import FLOOR

CALLS = 10_000
MORE_S = 1.0
"""What recovery may take beside the longest time for which a server is spared."""


def asked(number: int) -> dict[str, Any]:
    return {"id": f"c{number}", "tool": "shop__get", "arguments": {"id": str(number)}}


async def test_ten_thousand_calls_at_503_reach_it_a_few_times_and_it_is_back_within_five_seconds(
    tmp_path: Path,
) -> None:
    upstream = {"tools": {"get": {"path": "/orders", "query": ["id"]}}}
    async with origin() as there:
        config = write_config(tmp_path, {"shop": {"http": there.url, **upstream}}, headgate={"max_calls": CALLS})
        async with open_gate(config) as gate:
            await gate.settled(5)
            there.answers["/orders"] = response(status="503 Service Unavailable")

            reply = await gate.batch([asked(number) for number in range(CALLS)])

            codes = set(ended(reply).values())
            assert codes == {"UPSTREAM_ERROR", "CIRCUIT_OPEN"}
            assert len(there.asked) <= 1.1 * CALLS + FLOOR
            assert len(there.asked) < CALLS / 20
            held = next(result for result in reply["results"] if result["error_code"] == "CIRCUIT_OPEN")
            assert 0 < held["retry_after_s"] <= LONGEST_S

            there.answers.clear()
            well_at = time.monotonic()
            number = CALLS
            while by_id(await gate.batch([asked(number := number + 1)]))[f"c{number}"]["status"] != "ok":
                assert time.monotonic() - well_at < LONGEST_S + MORE_S
                await asyncio.sleep(0.05)

            assert (await gate.batch([asked(number + extra) for extra in range(1, 101)]))["outcome"] == "ok"


async def test_a_server_that_says_when_to_come_back_is_asked_again_then_and_the_reply_says_how_often(
    tmp_path: Path,
) -> None:
    call: dict[str, Any] = {"id": "c1", "tool": "shop__get", "arguments": {}}
    async with origin() as there:
        config = write_config(tmp_path, {"shop": {"http": there.url, "tools": {"get": {"path": "/orders"}}}})
        busy = response(status="429 Too Many Requests", retry_after="1")

        async def busy_once(writer: asyncio.StreamWriter) -> None:
            del there.answers["/orders"]
            writer.write(busy)
            await writer.drain()

        there.answers["/orders"] = busy_once
        async with open_gate(config) as gate:
            await gate.settled(5)
            began_at = time.monotonic()
            reply = await gate.batch([call])
            took_s = time.monotonic() - began_at

            there.answers["/orders"] = busy
            hurried = await gate.batch([{**call, "timeout_s": 0.8}])

    answered, refused = by_id(reply)["c1"], by_id(hurried)["c1"]
    assert (answered["status"], answered["attempts"]) == ("ok", 2)
    assert 1 <= took_s < 3 + SLACK_S
    assert (refused["status"], refused["error_code"], refused["retry_after_s"]) == ("error", "RATE_LIMITED", 1.0)
    assert refused["retryable"] is True
