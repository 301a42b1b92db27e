"""headgate over streamable HTTP, as a real process on a free port, through SDK clients and bare requests."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2 as httpx
import mcp
import pytest
from tests.config import write_config
from tests.server.http.served import ACCEPT, Served, served
from tests.server.processes import INITIALIZE, WAIT_S, call, is_alive, request

from headgate.server.settings.serve import ServeSettings


@pytest.fixture
def server(tmp_path: Path) -> Generator[Served]:
    with served(tmp_path) as one:
        yield one


@asynccontextmanager
async def connected(url: str, mode: str) -> AsyncGenerator[mcp.Client]:
    async with mcp.Client(url, mode=mode) as client:  # pyright: ignore[reportArgumentType]
        yield client


async def structured(client: mcp.Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert result.structured_content is not None
    return result.structured_content


async def test_both_eras_are_served_at_one_address_and_get_the_same_reply(server: Served) -> None:
    replies: list[Any] = []
    with anyio.fail_after(WAIT_S):
        for mode in ("legacy", "auto"):
            async with connected(server.url, mode) as client:
                reply = await structured(
                    client, "batch_call", calls=[{"tool": "fail", "arguments": {"message": "no such order"}}]
                )
                replies.append([{**result, "duration_ms": 0} for result in reply["results"]])

    assert replies[0] == replies[1]
    assert replies[0][0]["error"] == "no such order"


async def test_ten_clients_that_all_use_id_1_each_get_their_own_answer(server: Served) -> None:
    got: dict[str, str] = {}

    async def ask(tag: str) -> None:
        async with httpx.AsyncClient(timeout=WAIT_S) as client:
            body = call(1, "recorder__wait", ms=200, tag=tag)
            response = await client.post(server.url, json=body, headers=ACCEPT)
            (line,) = [line for line in response.text.splitlines() if line.startswith("data: {")]
            got[tag] = json.loads(line.removeprefix("data: "))["result"]["structuredContent"]["tag"]

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(ask, f"t{number}")

    assert got == {f"t{number}": f"t{number}" for number in range(10)}


async def test_what_a_browser_or_a_flood_could_send_is_refused(server: Served) -> None:
    hello = request(1, "initialize", INITIALIZE)
    port = server.url.rsplit(":", 1)[1].split("/", maxsplit=1)[0]
    statuses: dict[str, int] = {}
    async with httpx.AsyncClient(timeout=WAIT_S) as client:
        for what, headers in {
            "bad host": {"host": "evil.example"},
            "host of another port": {"host": f"evil.example:{port}"},
            "bad origin": {"origin": "https://evil.example"},
            "own origin": {"origin": f"http://localhost:{port}"},
        }.items():
            statuses[what] = (await client.post(server.url, json=hello, headers=ACCEPT | headers)).status_code
        large = request(1, "ping", {"x": "x" * (ServeSettings().body_limit + 1)})
        statuses["too large"] = (await client.post(server.url, json=large, headers=ACCEPT)).status_code

    assert statuses == {
        "bad host": 421,
        "host of another port": 421,
        "bad origin": 403,
        "own origin": 200,
        "too large": 413,
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly_and_its_upstreams_with_it(server: Served, number: int) -> None:
    with anyio.fail_after(WAIT_S):
        async with connected(server.url, "auto") as client:
            upstream = (await structured(client, "recorder__wait", ms=0, tag="a"))["pid"]

    await asyncio.to_thread(server.end, number)

    assert server.process.returncode == 0
    assert not is_alive(upstream)


async def test_a_subscription_that_stays_open_does_not_hold_the_end_up(server: Served) -> None:
    with anyio.fail_after(WAIT_S):
        async with connected(server.url, "auto") as client, client.listen(tools_list_changed=True):
            took = await asyncio.to_thread(server.end, signal.SIGTERM)

    assert server.process.returncode == 0
    assert took < 5


async def test_a_write_in_flight_ends_before_the_server_does(server: Served, tmp_path: Path) -> None:
    write = {"tool": "recorder__write", "arguments": {"ms": 800, "tag": "w"}}

    async def ask() -> None:
        async with httpx.AsyncClient(timeout=WAIT_S) as client:
            await client.post(server.url, json=call(1, "batch_call", calls=[write]), headers=ACCEPT)

    log = tmp_path / "log.jsonl"
    with anyio.fail_after(WAIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            while not log.exists() or "start" not in log.read_text():  # noqa: ASYNC110 - another process writes it
                await anyio.sleep(0.02)
            await asyncio.to_thread(server.end, signal.SIGTERM)

    assert [json.loads(line)["event"] for line in log.read_text().splitlines()] == ["start", "end"]


def test_an_address_in_use_is_a_clear_line_after_the_notices_each_said_once(tmp_path: Path) -> None:
    config = write_config(tmp_path, {}, headgate={"journal": str(tmp_path / "journal.db")})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "headgate", "serve", "--config", str(config), "--http", address, "--no-auth"]
        done = subprocess.run(command, capture_output=True, timeout=WAIT_S, check=False, text=True)

    *notices, last = done.stderr.splitlines()
    assert done.returncode == 2
    assert "in use" in last
    assert len(set(notices)) == len(notices)
