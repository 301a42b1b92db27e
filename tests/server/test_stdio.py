"""headgate over stdio, as the real process that a client starts, in front of a real upstream."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp_types import INVALID_REQUEST
from tests.server.processes import INITIALIZE, INITIALIZED, WAIT_S, Lines, call, is_alive, request, running, serving

from headgate.server.lines import MAX_LINE


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


@pytest.fixture
def headgate(log: Path) -> Iterator[Lines]:
    with running(serving(log)) as lines:
        lines.shake_hands()
        yield lines


def pid_in(result: dict[str, Any]) -> int:
    return result["structuredContent"]["pid"]


def test_when_the_client_closes_its_end_headgate_and_its_upstream_end(headgate: Lines) -> None:
    upstream = pid_in(headgate.ask(1, "recorder__wait", ms=0, tag="a"))

    headgate.close_stdin()

    assert headgate.process.wait(5) == 0
    assert not is_alive(upstream)


def test_sigterm_ends_it_within_two_seconds_though_stdin_stays_open(headgate: Lines) -> None:
    upstream = pid_in(headgate.ask(1, "recorder__wait", ms=0, tag="a"))

    asked = time.monotonic()
    headgate.process.send_signal(signal.SIGTERM)

    assert headgate.process.wait(5) == 0
    assert time.monotonic() - asked < 2
    assert not is_alive(upstream)


def test_what_is_asked_when_the_client_leaves_is_ended_but_a_write_in_flight_is_not(headgate: Lines, log: Path) -> None:
    write = {"tool": "recorder__write", "arguments": {"ms": 600, "tag": "write"}}
    never = {"tool": "recorder__write", "arguments": {"ms": 0, "tag": "never"}}
    headgate.ask(1, "recorder__wait", ms=0, tag="up")
    headgate.send(call(2, "batch_call", calls=[write, never]))
    wait_for(log, '"write"')

    headgate.close_stdin()

    assert headgate.process.wait(5) == 0
    seen = [(entry["tag"], entry["event"]) for entry in map(json.loads, log.read_text().splitlines())]
    assert seen[2:] == [("write", "start"), ("write", "end")]


def wait_for(log: Path, word: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not log.exists() or word not in log.read_text():
        assert time.monotonic() < deadline, f"the upstream never wrote {word}"
        time.sleep(0.01)  # another process writes the file: nothing tells us when


def test_upstreams_are_started_for_a_client_that_says_nothing_too(log: Path) -> None:
    upstream = [sys.executable, "-c", f"open({str(log)!r}, 'w').write('started')"]

    with running([sys.executable, "-m", "headgate", "--", *upstream]):
        wait_for(log, "started")


def test_a_message_of_17_mb_is_dropped_and_the_next_one_answered(headgate: Lines) -> None:
    padding = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"' + b"x" * (MAX_LINE + 1024 * 1024) + b'"}}\n'

    headgate.send(padding, request(2, "ping", {}))

    assert headgate.answer() == {"jsonrpc": "2.0", "id": 2, "result": {}}
    headgate.close_stdin()
    assert b"more than 16 MB was dropped" in headgate.rest()[1]


def test_a_message_of_3_mb_is_answered(headgate: Lines) -> None:
    result = headgate.ask(1, "recorder__wait", ms=0, tag="x" * (3 * 1024 * 1024))

    assert len(result["structuredContent"]["tag"]) == 3 * 1024 * 1024


def test_a_line_that_is_no_message_is_passed_over(headgate: Lines) -> None:
    headgate.send(b"this is not JSON\n", b"[1, 2]\n", b"\n", b"\xff\xfe\n", b'{"jsonrpc":"2.0"}\n', b"null\n")
    headgate.send(request(2, "ping", {}))

    assert headgate.answer() == {"jsonrpc": "2.0", "id": 2, "result": {}}


@pytest.mark.parametrize(
    "message",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":'
        + b'{"a":' * 300
        + b"1"
        + b"}" * 302,
        b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":"none"}',
        b'{"jsonrpc":"2.0","id":1,"method":7}',
    ],
)
def test_a_request_that_cannot_be_read_is_answered_with_that(message: bytes, headgate: Lines) -> None:
    headgate.send(message + b"\n")

    answer = headgate.answer()

    assert (answer["id"], answer["error"]["code"]) == (1, INVALID_REQUEST)
    assert "nested too deeply" in answer["error"]["message"]


@pytest.mark.parametrize("begins", [b"", b"\xef\xbb\xbf"], ids=["as it is", "with a byte order mark"])
def test_half_an_emoji_in_a_request_is_a_character_that_is_not_known(begins: bytes, headgate: Lines) -> None:
    headgate.ask(1, "recorder__wait", ms=0, tag="up")
    headgate.send(
        begins + json.dumps(call(2, "recorder__wait", ms=0, tag="cut \ud83d, whole \U0001f600")).encode() + b"\n"
    )

    answer = headgate.answer()

    assert answer["id"] == 2
    assert json.loads(answer["result"]["content"][0]["text"])["tag"] == "cut \ufffd, whole \U0001f600"


def test_two_requests_in_flight_with_the_same_id_each_get_an_answer(headgate: Lines) -> None:
    headgate.ask(1, "recorder__wait", ms=0, tag="up")
    headgate.send(call(1, "recorder__wait", ms=300, tag="slow"), call(1, "recorder__wait", ms=0, tag="fast"))

    answers = [headgate.answer(), headgate.answer()]

    assert [answer["id"] for answer in answers] == [1, 1]
    assert [answer["result"]["structuredContent"]["tag"] for answer in answers] == ["fast", "slow"]


PRINTING = """
import asyncio, os, subprocess, sys
from headgate.server import serve
from headgate.server.settings import HeadgateSettings, Settings

quiet = serve.serve_client

async def loud(*args):
    print("printed by Python")
    os.write(1, b"written to the file descriptor\\n")
    subprocess.run([sys.executable, "-c", "print('said by a child', flush=True)"], check=True)
    await quiet(*args)
    print("printed at the end")

serve.serve_client = loud
settings = Settings(HeadgateSettings(event_loop=sys.argv[1]), {})
serve.run(serve.serve_stdio(settings), settings)
"""


@pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])
def test_what_is_printed_inside_the_process_goes_to_stderr(event_loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with running([sys.executable, "-c", PRINTING, event_loop]) as lines:
        assert lines.shake_hands()["serverInfo"]["name"] == "headgate"
        lines.close_stdin()
        out, err = lines.rest()

    assert out == b""
    for words in (b"printed by Python", b"written to the file descriptor", b"said by a child", b"printed at the end"):
        assert words in err


REQUESTS = [
    request("hello", "initialize", INITIALIZE),
    INITIALIZED,
    call(1, "recorder__wait", ms=300, tag="slow"),
    call(1, "batch_call", calls=[{"tool": "recorder__write", "arguments": {"ms": 100, "tag": "batched"}}]),
]


@pytest.mark.parametrize("output", ["a file", "a pipe"])
def test_requests_from_a_file_are_all_answered_before_its_end_counts(log: Path, tmp_path: Path, output: str) -> None:
    requests, answers = tmp_path / "requests.jsonl", tmp_path / "answers.jsonl"
    requests.write_text("\n".join(json.dumps(message) for message in REQUESTS))  # the last line is not ended

    with requests.open("rb") as stdin, answers.open("wb") as file:
        done = subprocess.run(
            serving(log), stdin=stdin, stdout=file if output == "a file" else subprocess.PIPE,
            timeout=WAIT_S, check=False,
        )  # fmt: skip

    assert done.returncode == 0
    said = answers.read_bytes() if output == "a file" else done.stdout
    messages = [json.loads(line) for line in said.splitlines()]
    assert [message["id"] for message in messages if "id" in message] == ["hello", 1, 1]
    assert '"tag": "slow"' in json.dumps(messages)
    assert '"outcome": "ok"' in json.dumps(messages)


def test_a_last_line_without_its_end_is_answered_over_a_pipe_too(log: Path) -> None:
    with running(serving(log)) as lines:
        lines.send(json.dumps(request(1, "initialize", INITIALIZE)).encode())
        lines.close_stdin()
        out, _ = lines.rest()

    assert json.loads(out.splitlines()[0])["result"]["serverInfo"]["name"] == "headgate"


def test_with_its_upstream_dead_it_is_there_all_the_same() -> None:
    with running([sys.executable, "-m", "headgate", "--", sys.executable, "-c", "raise SystemExit(3)"]) as lines:
        assert lines.shake_hands()["serverInfo"]["name"] == "headgate"
        lines.send(request(1, "tools/list", {}))
        assert len(lines.answer()["result"]["tools"]) == 4
        failed = lines.ask(2, "python__look")

    assert failed["isError"]
    assert "exit code 3" in failed["content"][0]["text"]


def test_without_any_input_it_ends_at_once(log: Path) -> None:
    done = subprocess.run(serving(log), stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT_S, check=False)

    assert (done.returncode, done.stdout) == (0, b"")
