"""The guards of conftest.py, proved on tests that break them: each runs in a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

LEAKY = """
import asyncio, os, subprocess, sys, threading, time
from anyio.lowlevel import checkpoint
from tests.virtual_time import in_virtual_time

SLEEP = [sys.executable, "-c", "import time; time.sleep(30)"]

def test_child():
    process = subprocess.Popen(SLEEP)
    process.returncode = 0  # keeps its destructor from warning

def test_orphan():
    code = f"import subprocess; subprocess.Popen({SLEEP!r}, start_new_session=True)"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)

def test_thread():
    threading.Thread(target=time.sleep, args=(1,), name="sleepy").start()

kept = []
def test_files():
    kept.extend(os.open("/dev/null", os.O_RDONLY) for _ in range(8))

async def test_task():
    kept.append(asyncio.get_running_loop().create_task(asyncio.sleep(30)))
    await checkpoint()

@in_virtual_time
async def test_deadlock():
    await asyncio.Event().wait()

async def test_bound(within):
    with within(0.05):
        await asyncio.sleep(30)

async def test_hangs_and_would_hang_its_fixtures():
    await asyncio.get_running_loop().create_future()

async def test_clean():
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0.01))
        subprocess.run([sys.executable, "-c", ""], check=True)
"""


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One line for each test that failed, with its reason."""
    file = tmp_path_factory.mktemp("leaky") / "test_leaky.py"
    file.write_text(LEAKY)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "--tb=no",
        "-rfE",
        "-q",
    ]
    env = os.environ | {"COLUMNS": "500", "HEADGATE_TEST_GRACE_S": "0.3", "HEADGATE_TEST_LIMIT_S": "2"}
    done = subprocess.run(
        [*command, str(file)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=50, check=False
    )
    return done.stdout


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("test_child", "left behind: process"),
        ("test_orphan", "left behind: process"),
        ("test_thread", "left behind: thread sleepy"),
        ("test_files", "open file /dev/null"),
        ("test_task", "left tasks running"),
        ("test_deadlock", "every task waits for another one"),
        ("test_bound", "TimeoutError"),
        ("test_hangs", "the test took longer than 2 s"),
    ],
)
def test_what_a_test_leaves_behind_fails_it(summary: str, test: str, words: str) -> None:
    assert [line for line in summary.splitlines() if f"::{test}" in line and words in line]


def test_a_test_that_cleans_up_after_itself_passes(summary: str) -> None:
    assert "test_clean" not in summary
    assert "3 failed, 6 passed, 6 errors" in summary
