"""A machine without the real servers skips their tests and says how to get them; where they are required, it fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REAL_TEST = """
import pytest

@pytest.mark.real
def test_with_a_real_server(): ...
"""


def run_without_git(tmp_path: Path, required: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "test_real.py").write_text(REAL_TEST)
    empty = tmp_path / "bin"
    empty.mkdir()
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-rs", "-q"]
    env = os.environ | {"PATH": str(empty), "HEADGATE_REQUIRE_REAL": required, "COLUMNS": "500"}
    return subprocess.run(
        [*command, str(tmp_path / "test_real.py")],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip


def test_without_the_servers_a_real_test_is_skipped_with_the_way_to_get_them(tmp_path: Path) -> None:
    done = run_without_git(tmp_path, required="")

    assert "1 skipped" in done.stdout
    assert "this machine lacks git: `make test` installs" in done.stdout


@pytest.mark.real
def test_where_the_servers_are_required_a_real_test_fails_without_them(tmp_path: Path) -> None:
    done = run_without_git(tmp_path, required="1")

    assert done.returncode == 1
    assert "this machine lacks git" in done.stdout
