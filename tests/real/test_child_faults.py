"""What callers see of a server process that misbehaves, and that the callers of another server see nothing of it."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.config import write_config
from tests.proxy.loops import on_each_loop
from tests.proxy.misbehaving import SCRIPT, SECRET, gone
from tests.proxy.parts import all_at_once
from tests.real.gates import ready_gate
from tests.timings import SLACK_S

from headgate.server.gate import Gate
from headgate.server.opening import open_gate

pytestmark = on_each_loop


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def calls_in(ledger: Path, tool: str) -> list[dict[str, Any]]:
    """The calls of `tool` that have reached a child."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return [call for call in map(json.loads, lines) if call["tool"] == tool]


def child(tmp_path: Path, *modes: str, kind: str = "read", **table: Any) -> dict[str, Any]:
    """The hostile child as a table of headgate.toml, all of its tools of one class."""
    env = {"TOKEN": SECRET, "LEDGER": str(tmp_path / "ledger"), "FLAG": str(tmp_path / "flag")}
    tools = ("echo", "die", "die_once", "hang", "late", "big", "endless", "deaf", "garbage", "flood", "pid", "twice")
    rules = {tool: {"class": kind} for tool in (*tools, "input_required", "leak", "ask", "news", "wrong_id")}
    return {"command": sys.executable, "args": ["-S", str(SCRIPT), *modes], "env": env, "tools": rules, **table}


@asynccontextmanager
async def gate_before(tmp_path: Path, *modes: str, kind: str = "read", **table: Any) -> AsyncGenerator[Gate]:
    """A gate before the hostile child, `bad`, and one that has nothing done to it, `good`."""
    upstreams = {"bad": child(tmp_path, *modes, kind=kind, **table), "good": child(tmp_path)}
    async with asyncio.timeout(40), ready_gate(write_config(tmp_path, upstreams)) as gate:
        yield gate


def call(tool: str, identity: str = "c", upstream: str = "bad", **arguments: Any) -> dict[str, Any]:
    options = {"timeout_s": arguments.pop("timeout_s")} if "timeout_s" in arguments else {}
    return {"id": identity, "tool": f"{upstream}__{tool}", "arguments": arguments, **options}


async def result_of(gate: Gate, tool: str, **arguments: Any) -> dict[str, Any]:
    reply = await gate.batch([call(tool, **arguments)])
    assert SECRET not in str(reply)
    return reply["results"][0]


class Lag:
    """How much CPU this thread used before others had their turn, at worst: whatever else the machine does."""

    def __init__(self) -> None:
        self.worst_s = 0.0

    async def watch(self) -> None:
        while True:
            began = time.thread_time()
            await asyncio.sleep(0.001)
            self.worst_s = max(self.worst_s, time.thread_time() - began)


@asynccontextmanager
async def watched() -> AsyncGenerator[Lag]:
    lag = Lag()
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(lag.watch())
        try:
            yield lag
        finally:
            watching.cancel()


async def test_a_read_is_made_again_on_a_fresh_child_when_the_first_one_dies_over_it(
    tmp_path: Path, ledger: Path
) -> None:
    async with gate_before(tmp_path) as gate:
        result = await result_of(gate, "die_once")
        assert (result["status"], result["attempts"]) == ("ok", 2)
    assert len({made["pid"] for made in calls_in(ledger, "die_once")}) == 2


async def test_a_write_over_which_the_child_dies_is_unknown_and_never_made_again(tmp_path: Path, ledger: Path) -> None:
    async with gate_before(tmp_path, kind="write") as gate:
        result = await result_of(gate, "die_once")
        assert (result["status"], result["error_code"]) == ("unknown", "OUTCOME_UNKNOWN")
        assert "it ended with exit code 3" in result["error"]
        await asyncio.sleep(0.5)
    assert len(calls_in(ledger, "die_once")) == 1


@pytest.mark.parametrize("kind", ["read", "write"])
async def test_a_call_that_a_child_has_not_taken_in_time_is_never_sent(tmp_path: Path, ledger: Path, kind: str) -> None:
    table = child(tmp_path)
    table["tools"]["echo"] = {"class": kind}
    async with (
        asyncio.timeout(20),
        ready_gate(write_config(tmp_path, {"bad": table})) as gate,
        asyncio.TaskGroup() as tasks,
    ):
        deaf = tasks.create_task(result_of(gate, "deaf", s=1))
        await until(lambda: calls_in(ledger, "deaf"))
        filling = tasks.create_task(result_of(gate, "late", s=0, text="x" * 200_000))
        await asyncio.sleep(0.05)
        unsent = await result_of(gate, "echo", n=1, timeout_s=0.3)
        assert (unsent["status"], unsent["error_code"]) == ("error", "UPSTREAM_UNAVAILABLE")
        assert [(await one)["status"] for one in (deaf, filling)] == ["ok", "ok"]
        assert (await result_of(gate, "echo", n=2))["status"] == "ok"
    assert [made["n"] for made in calls_in(ledger, "echo")] == [2]


async def until(happened: Any) -> None:
    """Wait for what another process does."""
    while not happened():  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(("kind", "ending"), [("read", "TOOL_TIMEOUT"), ("write", "OUTCOME_UNKNOWN")])
async def test_a_call_that_hangs_ends_at_its_time_and_its_siblings_do_not_notice(
    tmp_path: Path, kind: str, ending: str
) -> None:
    async with gate_before(tmp_path, kind=kind) as gate:
        began = time.monotonic()
        reply = await gate.batch(
            [call("hang", timeout_s=0.4), call("echo", "other", "good"), call("pid", "same" if kind == "read" else "x")]
        )
        assert 0.4 <= time.monotonic() - began < 0.4 + SLACK_S
        by_id = {result["id"]: result for result in reply["results"]}
        assert by_id["c"]["error_code"] == ending
        assert by_id["other"]["status"] == "ok"
        assert by_id["other"]["duration_ms"] < 300
        assert kind == "write" or by_id["same"]["duration_ms"] < 300


async def test_calls_to_a_child_that_has_stopped_reading_end_at_their_deadline(tmp_path: Path) -> None:
    async with gate_before(tmp_path, concurrency=200) as gate:
        over: list[float] = []

        async def late(number: int) -> None:
            began = time.monotonic()
            result = await result_of(gate, "echo", n=number, text="x" * 2_000, timeout_s=0.5)
            assert result["status"] in {"timeout", "error"}
            over.append(time.monotonic() - began - 0.5)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(result_of(gate, "deaf", timeout_s=2))
            await asyncio.sleep(0.1)
            for number in range(100):
                tasks.create_task(late(number))
        assert max(over) < SLACK_S


async def test_a_flood_of_garbage_and_a_huge_answer_hold_nobody_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with gate_before(tmp_path) as gate, watched() as lag:
        flood = gate.batch([call("flood", mb=1), call("big", "big", bytes=64_000_000), call("pid", "after")])
        siblings = [delayed(n * 0.05, lambda n=n: gate.call("good__echo", {"n": n})) for n in range(10)]
        reply, *answers = await all_at_once(flood, *siblings)
        assert [answer["structuredContent"]["n"] for answer in answers] == list(range(10))
    by_id = {result["id"]: result for result in reply["results"]}
    assert by_id["c"]["status"] == "ok"
    assert by_id["big"]["error_code"] == "RESULT_TOO_LARGE"
    assert by_id["big"]["error"] == "its answer is too large: it is 64 MB, and 8 MB is the limit"
    assert by_id["after"]["status"] == "ok"
    assert lag.worst_s < 0.05
    told = [record for record in caplog.records if "prints on its stdout" in record.getMessage()]
    assert len(told) == 1


async def delayed(s: float, job: Any) -> Any:
    await asyncio.sleep(s)
    return await job()


async def test_a_line_without_an_end_ends_that_child_alone_and_it_is_started_anew(tmp_path: Path) -> None:
    async with gate_before(tmp_path, answer_limit="1MB", retries=0) as gate, watched() as lag:
        before = await gate.call("bad__pid", {})
        reply = await gate.batch([call("endless"), call("hang", "h"), call("echo", "other", "good")])
        by_id = {result["id"]: result for result in reply["results"]}
        for victim in ("c", "h"):
            assert by_id[victim]["error_code"] == "UPSTREAM_ERROR"
            assert by_id[victim]["error"] == "the upstream is gone: it sent 16 MB without the end of a line"
        assert by_id["other"]["status"] == "ok"
        after = await gate.call("bad__pid", {})
        assert before["structuredContent"] != after["structuredContent"]
    assert lag.worst_s < 0.05


async def test_answers_to_nobody_and_a_second_answer_reach_nobody(tmp_path: Path) -> None:
    async with gate_before(tmp_path) as gate:
        reply = await gate.batch([call("twice"), call("wrong_id", "w"), call("echo", "e", n=3)])
        assert [result["data"] for result in reply["results"]] == [{"n": 1}, {"wrong": False}, {"n": 3}]


async def test_what_a_child_asks_of_a_person_is_refused_and_the_call_says_so(tmp_path: Path) -> None:
    async with gate_before(tmp_path) as gate:
        asked = await result_of(gate, "ask")
        assert {answer["id"]: "error" in answer for answer in asked["data"]["answers"]} == {
            "ping": False,
            "sampling/createMessage": True,
            "elicitation/create": True,
            "roots/list": True,
            "no/such/method": True,
        }
        required = await result_of(gate, "input_required")
        assert (required["status"], required["error_code"]) == ("error", "UPSTREAM_ERROR")
        assert "asks for input from a person" in required["error"]


async def test_an_answer_against_the_tools_own_schema_is_an_answer(tmp_path: Path) -> None:
    async with gate_before(tmp_path) as gate:
        assert (await result_of(gate, "echo", n=1))["data"] == {"n": 1}


@pytest.mark.parametrize("mode", ["pages-forever", "pages-round"])
async def test_a_list_of_tools_without_an_end_is_cut_and_the_tools_work(tmp_path: Path, mode: str) -> None:
    async with gate_before(tmp_path, mode) as gate:
        assert (await result_of(gate, "echo", n=1))["data"] == {"n": 1}


async def test_tools_that_cannot_be_listed_again_stay_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("headgate.proxy.replica.LIST_S", 0.2)
    caplog.set_level("WARNING", "headgate.proxy.replica")
    async with gate_before(tmp_path, "lists-once") as gate:
        known = {tool.name for tool in gate.catalogue().tools}
        await gate.call("bad__change_tools", {})
        await until(lambda: "keeps the tools that it had" in caplog.text)
        assert {tool.name for tool in gate.catalogue().tools} == known
        assert (await result_of(gate, "echo", n=1))["data"] == {"n": 1}


async def test_an_upstream_that_hangs_over_its_list_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.proxy.session.PROBE_S", 0.1)
    monkeypatch.setattr("headgate.server.gate.FIRST_OPENING_S", 0.3)
    upstreams = {"bad": child(tmp_path, "mute"), "good": child(tmp_path)}
    async with asyncio.timeout(20), open_gate(write_config(tmp_path, upstreams)) as gate:
        reply = await gate.batch([call("echo", "b"), call("echo", "g", "good", n=1)])
        by_id = {result["id"]: result for result in reply["results"]}
        assert by_id["b"]["error_code"] == "UPSTREAM_UNAVAILABLE"
        assert by_id["g"]["status"] == "ok"


async def test_one_that_crashes_again_and_again_is_started_less_and_less_often_and_leaks_nothing(
    tmp_path: Path,
) -> None:
    starts = tmp_path / "starts"
    code = f"open({str(starts)!r}, 'a').write('x'); raise SystemExit(7)"
    upstreams = {"bad": {"command": sys.executable, "args": ["-S", "-c", code]}, "good": child(tmp_path)}
    async with asyncio.timeout(20), open_gate(write_config(tmp_path, upstreams)) as gate:
        await until(lambda: starts.exists() and starts.stat().st_size >= 2)
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - as a number
        await asyncio.sleep(2)
        assert starts.stat().st_size <= 5
        assert len(os.listdir("/proc/self/fd")) <= files + 4  # noqa: PTH208
        assert (await result_of(gate, "echo", upstream="good", n=1))["status"] == "ok"
        [bad, _] = gate.upstreams()
        assert bad.reason == "it does not complete the MCP handshake: it ended with exit code 7"


async def test_what_cannot_be_started_fails_its_own_calls_and_nothing_else(tmp_path: Path) -> None:
    no_program = tmp_path / "no-program"
    no_program.write_bytes(b"\x00 neither a program nor a script")
    no_program.chmod(0o755)
    upstreams = {
        "absent": {"command": "no-such-program-anywhere"},
        "strange": {"command": str(no_program)},
        "good": child(tmp_path),
    }
    async with asyncio.timeout(20), open_gate(write_config(tmp_path, upstreams)) as gate:
        reply = await gate.batch([call("x", "a", "absent"), call("x", "s", "strange"), call("echo", "g", "good")])
        assert [result["status"] for result in reply["results"]] == ["error", "error", "ok"]
        reasons = {state.name: state.reason for state in gate.upstreams()}
        assert reasons["absent"] == 'cannot start it: the command "no-such-program-anywhere" is not there'
        assert reasons["strange"] == f'cannot start the command "{no_program}": Exec format error'


async def test_without_files_to_spare_an_upstream_waits_until_there_are_some(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    async with asyncio.timeout(20), gate_before(tmp_path, "crash-once") as gate:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        before = (await gate.call("bad__pid", {}))["structuredContent"]["pid"]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            os.kill(before, 9)
            await until(lambda: "Too many open files" in str(gate.upstreams()[0].reason))
            assert (await result_of(gate, "echo", upstream="good", n=1))["status"] == "ok"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await until(lambda: gate.upstreams()[0].state == "ready")
        assert (await gate.call("bad__pid", {}))["structuredContent"]["pid"] != before


async def test_no_secret_of_environment_or_command_line_is_in_what_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = child(tmp_path, retries=0)
    table["args"] += ["--api-key", "k-canary-551", "--dsn=postgres://u:p-canary-551@db/x"]
    async with asyncio.timeout(20), ready_gate(write_config(tmp_path, {"bad": table})) as gate:
        leaked = await result_of(gate, "leak")
        dead = await result_of(gate, "die")
        told = f"{leaked} {dead} {gate.upstreams()} {caplog.text}"
    assert "bad token •••" in leaked["error"]
    assert "fatal: •••" in dead["error"]
    for secret in (SECRET, "k-canary-551", "p-canary-551"):
        assert secret not in told


async def test_an_upstream_of_the_old_era_is_not_probed_again_when_it_is_started_anew(
    tmp_path: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.proxy.session.PROBE_S", 0.3)
    async with gate_before(tmp_path, "silent-probe", retries=0) as gate:
        before = (await result_of(gate, "pid"))["data"]
        await result_of(gate, "die")
        assert (await result_of(gate, "pid"))["data"] != before
    assert len(calls_in(ledger, "server/discover")) == 1


async def test_of_a_closed_gate_no_child_and_grandchild_is_left(tmp_path: Path) -> None:
    async with gate_before(tmp_path, "ignore-term") as gate:
        pids = (await gate.call("bad__grandchild", {}))["structuredContent"]
        began = time.monotonic()
    await gone(pids["pid"], pids["own"], within_s=1)
    assert time.monotonic() - began < 3 + SLACK_S


async def test_replicas_of_a_child_that_does_one_call_at_a_time_share_the_calls(tmp_path: Path) -> None:
    made: list[dict[str, Any]] = []
    async with gate_before(tmp_path, replicas=4) as gate:
        while len({one["pid"] for one in made}) < 4:  # the last of them may come up some time after the first
            reply = await gate.batch([call("late", f"c{n}", s=0.4, n=n) for n in range(4)])
            made = [result["data"] for result in reply["results"]]
    assert max(one["began"] for one in made) < min(one["ended"] for one in made)
