"""An upstream behind a bad network: its own calls say what is known of them, nothing else notices, it comes back."""

import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.config import write_config
from tests.real.gates import ready_gate
from tests.timings import SLACK_S, STRICT
from tests.upstreams.running import recorder_served, served_upstream
from tests.upstreams.toxic import Direction, ToxicProxy, toxic

from headgate.server.gate import Gate

TIMEOUT_S = 0.6 if STRICT else 1.2
OK = ("ok", None)
TIMED_OUT = (("timeout", "TOOL_TIMEOUT"), ("unknown", "OUTCOME_UNKNOWN"))
BROKEN = (("error", "UPSTREAM_ERROR"), ("unknown", "OUTCOME_UNKNOWN"))
Outcome = tuple[str, str | None]

TOXICS: list[tuple[dict[str, Any], Outcome, Outcome]] = [
    ({"latency_s": 0.1}, OK, OK),
    ({"latency_s": 3.0}, *TIMED_OUT),
    ({"timeout": True}, *TIMED_OUT),
    ({"reset_peer": True}, *BROKEN),
    ({"limit_data": 100}, *BROKEN),
    ({"slice_bytes": 7, "slice_pause_s": 0.0001}, OK, OK),
    ({"bandwidth": 50_000}, OK, OK),
    ({"slow_close_s": 1.0}, OK, OK),
]


@pytest.fixture(scope="module", params=["http", "old"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A server of both eras, or of the one with sessions."""
    era: Literal["http", "old"] = request.param
    with recorder_served(tmp_path_factory.mktemp("recorder") / "log.jsonl", era) as url:
        yield url


@asynccontextmanager
async def far_and_near(server: str, folder: Path) -> AsyncGenerator[tuple[Gate, ToxicProxy]]:
    """A gate with the server twice: `far` through the proxy, `near` without."""
    rules: dict[str, Any] = {"timeout": f"{TIMEOUT_S}s", "retries": 0}
    async with toxic(server) as (proxy, url):
        config = write_config(folder, {"far": served_upstream(url, **rules), "near": served_upstream(server)})
        async with ready_gate(config) as gate:
            yield gate, proxy


def call(tool: str, tag: str, ms: int = 0) -> dict[str, Any]:
    return {"id": tag, "tool": tool, "arguments": {"ms": ms, "tag": tag}}


async def outcomes(gate: Gate) -> tuple[Outcome, Outcome]:
    """What becomes of a read and a write of `far`, after siblings of `near` were seen unharmed beside them."""
    siblings = [call("near__wait", f"near{number}", 50) for number in range(5)]
    started = time.monotonic()
    reply = await gate.batch([call("far__wait", "read"), *siblings, call("far__write", "write")])
    assert time.monotonic() - started < 2 * TIMEOUT_S + 1 + SLACK_S

    read, *others, write = reply["results"]
    assert [result["status"] for result in others] == ["ok"] * 5
    assert all(result["duration_ms"] < 1_000 * (1 + SLACK_S) for result in others)
    return (read["status"], read.get("error_code")), (write["status"], write.get("error_code"))


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize(("toxics", "read", "write"), TOXICS, ids=lambda value: next(iter(value), "") if value else "")
async def test_a_toxic_connection_harms_its_own_calls_alone_and_the_session_outlives_it(
    server: str, tmp_path: Path, toxics: dict[str, Any], read: Outcome, write: Outcome, direction: Direction
) -> None:
    async with far_and_near(server, tmp_path) as (gate, proxy):
        opened = gate.upstreams()
        for name, value in toxics.items():
            setattr(proxy.toxics(direction), name, value)

        assert await outcomes(gate) == (read, write)

        proxy.cure()
        assert await outcomes(gate) == (OK, OK)
        assert gate.upstreams() == opened


async def test_an_upstream_that_is_down_is_known_not_to_have_run_anything_and_is_there_again_when_it_is_up(
    server: str, tmp_path: Path
) -> None:
    async with far_and_near(server, tmp_path) as (gate, proxy):
        opened = gate.upstreams()
        await proxy.stop()

        assert await outcomes(gate) == (("error", "UPSTREAM_UNAVAILABLE"), ("error", "UPSTREAM_UNAVAILABLE"))

        await proxy.start()
        assert await outcomes(gate) == (OK, OK)
        assert gate.upstreams() == opened


async def test_an_answer_that_only_trickles_in_ends_at_the_calls_own_deadline(server: str, tmp_path: Path) -> None:
    async with far_and_near(server, tmp_path) as (gate, proxy):
        proxy.down.bandwidth = 20_000
        reply = await gate.batch([{"tool": "far__big", "arguments": {"bytes": 500_000}}])

        [result] = reply["results"]
        assert (result["status"], result["error_code"]) == TIMED_OUT[0]
        assert result["duration_ms"] < 1_000 * (TIMEOUT_S + SLACK_S) + 500
