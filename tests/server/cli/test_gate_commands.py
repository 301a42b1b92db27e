"""The commands that open upstreams, run as a user runs them: `call`, `plan`, `tools`, `check --connect`, `serve`."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.config import write_config
from tests.server.cli.desk import LIMIT_S, Desk
from tests.upstreams.record import Record
from tests.upstreams.running import echoing_command, first_line, recorder_command, recorder_upstream

WAIT = {"id": "r", "tool": "rec__wait", "arguments": {"ms": 1, "tag": "r"}}
WRITE = {"id": "w", "tool": "rec__write", "arguments": {"ms": 1, "tag": "w"}}
FAIL = {"id": "f", "tool": "rec__fail", "arguments": {"message": "no"}}

terminal = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a thing of POSIX")


@pytest.fixture
def record(desk: Desk) -> Record:
    """A recorder as the one upstream, and what it wrote down."""
    log = desk.home / "log"
    write_config(desk.project, {"rec": recorder_upstream(log)})
    return Record(log)


def reply_to(desk: Desk, request: object, *argv: str) -> tuple[int, dict[str, Any]]:
    ran = desk.start("call", *argv, given=json.dumps(request))
    assert ran.err == ""
    return ran.code, json.loads(ran.out)


@pytest.mark.parametrize(
    ("calls", "outcome", "code"),
    [
        ([WAIT, WRITE], "ok", 0),
        ([WAIT, FAIL], "partial", 3),
        ([FAIL], "failed", 4),
        ([{"id": "a b", "tool": "rec__wait"}], "refused", 5),
    ],
)
@pytest.mark.usefixtures("record")
def test_the_exit_code_says_how_a_batch_ended(desk: Desk, calls: list[Any], outcome: str, code: int) -> None:
    ended, reply = reply_to(desk, calls)
    assert (ended, reply["outcome"]) == (code, outcome)


def test_integers_keep_their_digits_in_a_file_and_in_the_reply(desk: Desk) -> None:
    program, *args = echoing_command()
    write_config(desk.project, {"echo": {"command": program, "args": args}})
    sums = {"n": 2**65 + 1, "m": [10**400]}
    _, reply = reply_to(desk, {"id": "a", "tool": "echo__get", "arguments": sums})
    assert reply["results"][0]["data"] == sums


@pytest.mark.usefixtures("record")
def test_a_batch_comes_from_a_file_or_stdin_as_a_request_a_list_or_one_call(desk: Desk) -> None:
    for request in ({"calls": [WAIT]}, [WAIT], WAIT):
        _, reply = reply_to(desk, request)
        assert [result["id"] for result in reply["results"]] == ["r"]
    desk.writes(desk.project / "batch.json", json.dumps([WAIT]))
    for argv in (("batch.json",), ("-",)):
        ran = desk.start("call", *argv, given=json.dumps([WAIT]))
        assert json.loads(ran.out)["outcome"] == "ok"


@pytest.mark.usefixtures("record")
@pytest.mark.parametrize(
    ("argv", "given", "said"),
    [
        (("call",), '{"calls": [\n}', "stdin is not valid JSON: line 2, column 1: "),
        (("call", "nowhere.json"), "", "nowhere.json: No such file or directory"),
        (("plan", "."), "", ".: Is a directory"),
    ],
)
def test_what_is_no_batch_is_one_line_and_exit_code_2(desk: Desk, argv: tuple[str, ...], given: str, said: str) -> None:
    ran = desk.start(*argv, given=given)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"headgate: {said}")
    assert ran.err.count("\n") == 1


def test_reads_only_refuses_a_write_and_runs_nothing(desk: Desk, record: Record) -> None:
    code, reply = reply_to(desk, [WAIT, WRITE], "--reads-only")
    assert (code, reply["outcome"]) == (5, "refused")
    assert record.starts() == []


@pytest.mark.parametrize(("argv", "ended", "starts"), [((), "DENIED", []), (("--yes",), None, ["w"])])
def test_a_write_that_a_person_has_to_allow_needs_yes_where_there_is_no_terminal(
    desk: Desk, argv: tuple[str, ...], ended: str | None, starts: list[str]
) -> None:
    log = desk.home / "log"
    write_config(desk.project, {"rec": recorder_upstream(log)}, headgate={"confirm_writes": True})
    _, reply = reply_to(desk, [WRITE], *argv)
    assert reply["results"][0].get("error_code") == ended
    assert Record(log).tags("start") == starts


def test_a_plan_shows_the_stages_and_runs_nothing(desk: Desk, record: Record) -> None:
    ran = desk.start("plan", given=json.dumps([WAIT, WRITE]))
    reply = json.loads(ran.out)
    assert (ran.code, reply["dry_run"], reply["stages"]) == (0, True, [["r"], ["w"]])
    assert record.starts() == []


def test_what_does_not_end_in_time_is_pending_unless_it_is_waited_for(desk: Desk) -> None:
    write_config(desk.project, {"rec": recorder_upstream(desk.home / "log")}, headgate={"answer_within": "200ms"})
    slow = [{"tool": "rec__wait", "arguments": {"ms": 1500, "tag": "slow"}}]
    ran = desk.start("call", given=json.dumps(slow))
    assert (ran.code, json.loads(ran.out)["outcome"]) == (3, "pending")
    assert ran.err == "headgate: what was still running was given up; --wait waits for it\n"
    code, reply = reply_to(desk, slow, "--wait")
    assert (code, reply["outcome"]) == (0, "ok")


@pytest.mark.usefixtures("record")
def test_a_batch_is_logged_where_that_is_asked_for(desk: Desk) -> None:
    ran = desk.start("call", "--log-json", given=json.dumps([WAIT]))
    lines = [json.loads(line) for line in ran.err.splitlines()]
    assert [line["outcome"] for line in lines if line["logger"] == "headgate.batch"] == ["ok"]


def test_tools_are_listed_one_a_line_for_programs(desk: Desk) -> None:
    rules = {"tools": {"write": {"timeout": "5s", "rate_limit": "20/s"}}}
    write_config(desk.project, {"rec": recorder_upstream(desk.home / "log", **rules)})
    ran = desk.start("tools")
    assert ran.code == 0
    rows = [line.split("\t") for line in ran.out.splitlines()]
    assert ["rec__write", "write", "annotated as not read-only", "5s, 20/s"] in [row[:4] for row in rows]
    assert all(len(row) == 5 for row in rows)
    listed = json.loads(desk.start("tools", "--json").out)
    assert [tool["name"] for tool in listed["tools"]] == [row[0] for row in rows]
    assert listed["tools"][0]["inputSchema"]["type"] == "object"
    assert listed["upstreams"][0]["state"] == "ready"


def test_a_config_without_upstreams_has_no_tools_and_says_so(desk: Desk) -> None:
    write_config(desk.project, {})
    ran = desk.start("tools")

    assert (ran.code, ran.out) == (0, "")
    assert "no upstreams yet" in ran.err


def test_an_upstream_that_fails_is_named_with_the_reason(desk: Desk) -> None:
    write_config(desk.project, {"rec": recorder_upstream(desk.home / "log"), "dead": {"command": "no-such-program"}})
    ran = desk.start("tools")
    assert ran.code == 0
    assert "rec__wait" in ran.out
    assert ran.err.startswith("dead is missing: ")
    ran = desk.start("check", "--connect")
    assert ran.code == 1
    assert ran.err == ""
    first, *_, ready, failed = ran.out.splitlines()
    assert first.endswith("headgate.toml: ok, 2 upstreams")
    assert ready.startswith("rec\tready\tin ")
    assert ready.endswith(" ms, 5 tools")
    assert failed.startswith("dead\tfailed\t")
    assert "no-such-program" in failed
    told = json.loads(desk.start("check", "--connect", "--json").out)
    assert [upstream["state"] for upstream in told["upstreams"]] == ["ready", "failed"]


def answer_of(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Say hello over MCP, and give the server's answer."""
    assert process.stdin
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    return json.loads(first_line(process))


@pytest.mark.parametrize("form", ["serve", "--"])
@pytest.mark.usefixtures("record")
def test_it_serves_over_stdio_until_its_client_hangs_up(desk: Desk, form: str) -> None:
    command, args = recorder_command(desk.home / "log")
    argv = ["serve"] if form == "serve" else ["--log-json", "--", command, *args]
    with subprocess.Popen(
        [sys.executable, "-m", "headgate", *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=desk.project,
    ) as process:
        assert answer_of(process)["result"]["serverInfo"]["name"] == "headgate"
        rest, said = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, rest) == (0, "")
    assert "Traceback" not in said


@pytest.mark.usefixtures("record")
def test_it_serves_over_http_where_it_was_asked_to(desk: Desk) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "headgate", "serve", "--http", ":0", "--no-auth", "--log-json"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=desk.project,
    ) as process:
        assert process.stderr
        line = seen(process.stderr.readline, lambda text: "serving at http://127.0.0.1:" in text)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT_S)
    assert json.loads(line)["level"] == "info"


def seen(read: Callable[[], str], wanted: Callable[[str], bool]) -> str:
    """The first text of those read that is wanted, within the time limit."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        if wanted(text := read()):
            return text
    raise TimeoutError


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT for a child there")
def test_an_interrupt_ends_a_call_quietly(desk: Desk, record: Record) -> None:
    slow = desk.writes(
        desk.project / "slow.json", json.dumps([{"tool": "rec__wait", "arguments": {"ms": 20_000, "tag": "x"}}])
    )
    with subprocess.Popen(
        [sys.executable, "-m", "headgate", "call", str(slow)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=desk.project,
    ) as process:
        seen(lambda: time.sleep(0.02) or str(record.starts()), lambda starts: starts != "[]")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=LIMIT_S) == ("", "")
    assert process.returncode == 130


@pytest.mark.skipif(sys.platform == "win32", reason="a shell that closes streams is a thing of POSIX")
@pytest.mark.parametrize(
    ("argv", "closed", "code"),
    [
        (("call", "batch.json"), "<&-", 0),
        (("call", "batch.json"), ">&-", 0),
        (("call",), "<&-", 2),
        (("serve",), ">&-", 0),
        (("serve",), "<&- >&- 2>&-", 0),
    ],
)
def test_streams_that_are_closed_from_the_start_keep_nothing_from_its_end(
    desk: Desk, record: Record, argv: tuple[str, ...], closed: str, code: int
) -> None:
    desk.writes(desk.project / "batch.json", json.dumps([WRITE]))
    ran = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "headgate", *argv],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        cwd=desk.project,
        timeout=LIMIT_S,
        check=False,
    )

    assert ran.returncode == code
    assert b"should not have happened" not in ran.stderr
    assert len(record.starts()) == (1 if "batch.json" in argv else 0)


@pytest.mark.usefixtures("record")
def test_a_batch_of_an_editor_of_windows_is_read_and_one_in_another_encoding_is_told_of(desk: Desk) -> None:
    batch = json.dumps([{**WAIT, "id": "ü"}], ensure_ascii=False)
    (desk.project / "marked.json").write_text(batch, encoding="utf-8-sig")
    (desk.project / "wide.json").write_text(batch, encoding="utf-16")

    assert desk.start("plan", "marked.json").code == 5
    assert desk.start("plan", "wide.json").err == "headgate: wide.json is not UTF-8 text: save it as UTF-8\n"


@terminal
@pytest.mark.usefixtures("record")
def test_on_a_terminal_there_are_tables_and_a_bar(desk: Desk) -> None:
    desk.writes(desk.project / "batch.json", json.dumps([WAIT, WRITE, FAIL]))
    shown = on_terminal(desk, "call", "batch.json")
    assert "2/3" in shown or "3/3" in shown or "━" in shown
    assert "TOOL_ERROR: no" in shown
    assert "2 of 3 ok" in shown
    assert "waits for" in on_terminal(desk, "plan", "batch.json")
    assert "annotated as" in on_terminal(desk, "tools")
    assert "5 tools" in on_terminal(desk, "check", "--connect")
    assert '"outcome": "partial"' in on_terminal(desk, "call", "--json", "batch.json")
    assert "give the batch as a FILE or on stdin" in on_terminal(desk, "call")


def on_terminal(desk: Desk, *argv: str) -> str:
    """What a person at a terminal gets to see."""
    ours, theirs = os.openpty()
    shown = b""
    with subprocess.Popen(
        [sys.executable, "-m", "headgate", *argv],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=desk.project,
        env=dict(os.environ) | {"TERM": "xterm", "COLUMNS": "120"},
    ) as process:
        os.close(theirs)
        try:
            while select.select([ours], [], [], LIMIT_S)[0] and (part := os.read(ours, 65536)):
                shown += part
        except OSError:  # how Linux tells that the other end is closed
            pass
        os.close(ours)
        process.wait(LIMIT_S)
    return shown.decode()


def test_the_demo_is_reached_with_its_options(desk: Desk) -> None:
    ran = desk.run("demo", "--help")
    assert "--json" in ran.out
    assert "--svg FILE" in ran.out


def test_a_probe_tells_whether_a_server_does_one_call_at_a_time(desk: Desk) -> None:
    hostile = str(Path(__file__).parents[2] / "upstreams" / "hostile.py")
    table = {
        "command": sys.executable,
        "args": ["-S", hostile],
        "tools": {t: {"class": "read"} for t in ("late", "pid")},
    }
    write_config(desk.project, {"one": table, "four": {**table, "replicas": 4}})
    calls = ('one__late={"s": 0.3}', 'four__late={"s": 0.3}', "one__pid", "one__die", "one__nothing")

    ran = desk.start("check", "--connect", *(word for call in calls for word in ("--probe", call)))

    one, four, *others = ran.out.splitlines()[-5:]
    assert one.startswith("one__late: 4 calls at once took ")
    assert one.endswith("as long as one: it does one call at a time, and replicas would let it do more")
    assert four.startswith("four__late: 4 calls at once took ")
    assert "one call at a time" not in four
    assert others[0] == "one__pid: one call is answered too quickly to tell: probe with one that takes longer"
    assert others[1] == "one__die: this is a write: probe with a read"
    assert others[2].startswith("one__nothing: ")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--probe", "one__late"), "--probe needs --connect"),
        (("--connect", "--probe", "one__late={"), "write a probe as TOOL or TOOL="),
        (("--connect", "--probe", "one__late=[1]"), "write a probe as TOOL or TOOL="),
    ],
)
def test_a_probe_that_is_none_is_a_usage_error(desk: Desk, record: Record, argv: tuple[str, ...], said: str) -> None:
    assert record
    ran = desk.start("check", *argv)
    assert ran.code == 2
    assert said in ran.err
