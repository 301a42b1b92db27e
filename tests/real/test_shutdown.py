"""SIGTERM with writes in flight: they end and are on record, nothing else starts, and headgate exits with 0."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.config import write_config
from tests.server.processes import Lines, call, running
from tests.upstreams.record import Record
from tests.upstreams.running import recorder_upstream

from headgate.server.gate import DRAIN_S

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")

IN_FLIGHT = 50
EXIT_S = DRAIN_S + 2
WAIT_S = 20.0


class Desk:
    """A folder with a config, a journal and the recorder's log."""

    def __init__(self, folder: Path, **tool: Any) -> None:
        self.record = Record(folder / "log")
        rules = {"concurrency": IN_FLIGHT, "tools": {"write": {"timeout": "60s", **tool}}}
        self.config = write_config(folder, {"rec": recorder_upstream(self.record.log, **rules)})

    def headgate(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "headgate", *words, "--config", str(self.config)]

    def journal(self) -> list[dict[str, Any]]:
        """Every write that is on record."""
        command = self.headgate("journal", "list", "--limit", "1000", "--json")
        said = subprocess.run(command, capture_output=True, timeout=WAIT_S, check=True).stdout
        return json.loads(said)["writes"]

    def states(self) -> dict[str, int]:
        states = [write["state"] for write in self.journal()]
        return {state: states.count(state) for state in states}

    def until_started(self, count: int) -> None:
        deadline = time.monotonic() + WAIT_S
        while len(self.record.starts()) < count:
            assert time.monotonic() < deadline, f"{len(self.record.starts())} of {count} writes have started"
            time.sleep(0.02)


def end(lines: Lines) -> float:
    """Ask for the end; the seconds that it took."""
    asked = time.monotonic()
    lines.process.send_signal(signal.SIGTERM)
    lines.rest()
    return time.monotonic() - asked


def writes(ms: int) -> list[dict[str, Any]]:
    return [call(number, "rec__write", tag=f"w{number}", ms=ms) for number in range(IN_FLIGHT)]


def test_writes_in_flight_end_and_are_on_record(tmp_path: Path) -> None:
    desk = Desk(tmp_path, resource="{tag}")
    with running(desk.headgate("serve")) as lines:
        lines.shake_hands()
        lines.send(*writes(ms=1_500))
        desk.until_started(IN_FLIGHT)

        assert end(lines) < EXIT_S
        assert lines.process.returncode == 0

    assert len(desk.record.tags("end")) == IN_FLIGHT
    assert desk.states() == {"ok": IN_FLIGHT}


def test_writes_that_outlast_the_drain_are_on_record_as_unknown(tmp_path: Path) -> None:
    desk = Desk(tmp_path, resource="{tag}")
    with running(desk.headgate("serve")) as lines:
        lines.shake_hands()
        lines.send(*writes(ms=30_000))
        desk.until_started(IN_FLIGHT)

        assert end(lines) < EXIT_S
        assert lines.process.returncode == 0

    assert desk.states() == {"unknown": IN_FLIGHT}


def test_writes_that_wait_for_their_turn_never_start(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with running(desk.headgate("serve")) as lines:
        lines.shake_hands()
        lines.send(*writes(ms=1_000))
        desk.until_started(1)

        assert end(lines) < EXIT_S
        assert lines.process.returncode == 0

    assert desk.record.events() == [("start", "w0"), ("end", "w0")]
    assert desk.states() == {"ok": 1}


def test_a_batch_starts_none_of_the_writes_that_were_still_to_come(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    calls = [{"tool": "rec__write", "arguments": {"tag": f"w{number}", "ms": 700}} for number in range(5)]
    with running(desk.headgate("serve")) as lines:
        lines.shake_hands()
        lines.send(call("b", "batch_call", calls=calls))
        desk.until_started(1)

        assert end(lines) < EXIT_S
        assert lines.process.returncode == 0

    assert desk.record.events() == [("start", "w0"), ("end", "w0")]
    assert desk.states() == {"ok": 1}
