"""The measurement of isolation runs, and in every trouble of one upstream the healthy ones answer all calls."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAULTS = ("stdio crash", "stdio garbage", "HTTP reset", "HTTP news")


def test_in_every_trouble_the_healthy_upstreams_answer_all_calls(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    only = [word for fault in FAULTS for word in ("--only", fault)]
    short = ["--rounds", "1", "--seconds", "0.3", "--rate", "20", "--no-beside", "--json", str(figures)]
    command = [sys.executable, str(ROOT / "bench/isolation.py"), *short, *only]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)

    assert done.returncode == 0, done.stderr
    rows = json.loads(figures.read_text())
    assert [(row["fault"], row["healthy"]) for row in rows] == [
        (fault, healthy) for fault in FAULTS for healthy in ("stdio", "http")
    ]
    assert [row["failed"] for row in rows] == [0] * len(rows)
