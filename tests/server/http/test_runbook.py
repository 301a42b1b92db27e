"""What docs/runbook.md tells an operator to do in an incident, done to a server that is running."""

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from tests.server.http.inside import answer_in
from tests.server.http.served import ACCEPT, Served, served
from tests.server.processes import WAIT_S, call

RUNBOOK = (Path(__file__).parents[3] / "docs/runbook.md").read_text(encoding="utf-8")


def batch(server: Served) -> Any:
    waits = [{"tool": "recorder__wait", "arguments": {"ms": 100, "tag": tag}} for tag in "ab"]
    response = httpx.post(server.url, json=call(1, "batch_call", calls=waits), headers=ACCEPT, timeout=WAIT_S)
    return answer_in(response)["result"]["structuredContent"]


def change(folder: Path, written: str) -> None:
    """Set `parallel` in the file of `served`."""
    file = folder / "headgate.toml"
    text = re.sub(r"^parallel = .*\n", "", file.read_text(), flags=re.MULTILINE)
    file.write_text(text.replace("[headgate]\n", f"[headgate]\n{written}\n"))


def logged(server: Served) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.said.decode().splitlines() if '"batch_id"' in line]


def test_parallelism_is_turned_off_and_on_again_while_the_server_runs(tmp_path: Path) -> None:
    with served(tmp_path, "--log-json") as server:
        at_once = batch(server)
        change(tmp_path, "parallel = false")
        server.wait_for(rb"parallel is now false; it was true")
        in_turn = batch(server)
        server.wait_for(rb'"parallel": false')
        change(tmp_path, "parallel = tru")
        server.wait_for(rb"the settings stay as they were")
        change(tmp_path, "parallel = true")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(rb"parallel is now true; it was false")
        batch(server)
        server.wait_for(rb'(?s)parallel is now true.*"batch_id"')

    assert [line["parallel"] for line in logged(server)] == [True, False, True]
    assert at_once["duration_ms"] < in_turn["duration_ms"]
    assert in_turn["duration_ms"] >= 200


def test_an_option_wins_over_the_file_and_says_so(tmp_path: Path) -> None:
    with served(tmp_path, "--no-parallel") as server:
        assert batch(server)["duration_ms"] >= 200
        change(tmp_path, "parallel = true")
        server.wait_for(rb"headgate.parallel is without effect: HEADGATE_PARALLEL, or an option, is set")
        assert batch(server)["duration_ms"] >= 200


@pytest.mark.skipif(shutil.which("jq") is None, reason="this machine has no jq")
def test_both_ways_are_compared_from_the_log(tmp_path: Path) -> None:
    lines = [
        {"batch_id": f"b_{number}", "parallel": number % 2 == 0, "outcome": outcome, "duration_ms": 100 * number}
        for number, outcome in enumerate(["ok", "failed", "ok", "ok", "partial", "ok"])
    ]
    (tmp_path / "headgate.log").write_text("\n".join(map(json.dumps, [{"message": "serving"}, *lines])))
    (command,) = re.findall(r"^jq .*?headgate\.log$", RUNBOOK, flags=re.MULTILINE | re.DOTALL)

    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, check=True, timeout=WAIT_S, text=True
    )

    told = [json.loads(text) for text in re.findall(r"\{.*?\}", done.stdout, flags=re.DOTALL)]
    assert told == [
        {"parallel": False, "batches": 3, "failed": 1, "median_ms": 300},
        {"parallel": True, "batches": 3, "failed": 0, "median_ms": 200},
    ]
