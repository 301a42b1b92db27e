"""Processes that race for the same keys over one journal: each write is made by exactly one of them."""

import sys
from pathlib import Path

import pytest
from tests.crashes.race import race

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the racers are forks of this process")


def test_of_two_processes_exactly_one_makes_each_write(tmp_path: Path) -> None:
    made, ended = race(200, tmp_path)

    assert set(made.values()) == {1}
    assert len(made) == ended["ok"] == 200
    assert ended.keys() <= {"ok", "ok-replayed", "CONFLICT"}
