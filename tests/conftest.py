"""What every test stands on: the event loop, a bound on its time, and a look at what it left behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from uuid import uuid4

import anyio
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # so that a test can say `from tests.virtual_time import in_virtual_time`
    sys.path.insert(0, str(ROOT))

from tests.leaks import GRACE_S, MARK, Snapshot, leaks_since  # noqa: E402
from tests.real.servers import HOW, missing  # noqa: E402

TEST_LIMIT_S = int(os.environ.get("HEADGATE_TEST_LIMIT_S", "60"))
AGAIN_S = min(5, TEST_LIMIT_S)
DEEP = os.environ.get("HEADGATE_HYPOTHESIS") == "deep"

settings.register_profile("fast", max_examples=100, deadline=None, derandomize=False, print_blob=True)
settings.register_profile("deep", settings.get_profile("fast"), max_examples=10_000)
settings.load_profile("deep" if DEEP else "fast")


def pytest_configure(config: pytest.Config) -> None:
    """Run every async test on the loop that `anyio_backend` names, without a marker on each."""
    config.option.anyio_mode = "auto"
    # A shell that runs the tests in its background has them ignore Ctrl-C, and so would every program that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `real` is skipped on a machine without the real servers, or fails if they are required there."""
    if item.get_closest_marker("real") and (lacks := missing()):
        if os.environ.get("HEADGATE_REQUIRE_REAL") == "1":
            pytest.fail(f"this machine lacks {lacks}: {HOW}", pytrace=False)
        pytest.skip(f"this machine lacks {lacks}: {HOW}")


@pytest.fixture(scope="session")
def anyio_backend() -> object:
    """asyncio: aiolimiter knows no other. `in_virtual_time` takes its place where a test needs a clock of its own."""
    return "asyncio"


@pytest.fixture(autouse=True, scope="session")
def no_journal_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test records without saying where is not recorded among the user's own writes, or in their keyring."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
        yield


@pytest.fixture
def within() -> Callable[..., AbstractContextManager[anyio.CancelScope]]:
    """Bound a wait to 5 seconds, or to as many as are given; past them the test fails."""

    def bounded(seconds: float = 5) -> AbstractContextManager[anyio.CancelScope]:
        return anyio.fail_after(seconds)

    return bounded


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process, grandchildren too, no thread and no open file outlives a test, and no test hangs."""
    mark = uuid4().hex
    monkeypatch.setenv(MARK, mark)
    before = Snapshot(mark)
    with _Alarm(0 if DEEP else TEST_LIMIT_S):
        yield
    if left := leaks_since(before):
        pytest.fail("the test left behind: " + "; ".join(left), pytrace=False)


@pytest.fixture(autouse=True)
def no_task_is_left(request: pytest.FixtureRequest, nothing_is_left: None) -> None:  # noqa: ARG001
    """No task outlives an async test. A test without a loop is spared one."""
    if "anyio_backend" in request.fixturenames:
        request.getfixturevalue("_tasks_end_with_the_test")


@pytest.fixture
async def _tasks_end_with_the_test(nothing_is_left: None) -> AsyncIterator[None]:  # noqa: ARG001 - the loop ends first
    before = _tasks()
    yield
    loop = asyncio.get_running_loop()
    deadline = loop.time() + GRACE_S
    # No event tells the end of a task that nobody here owns.
    while (left := _tasks() - before) and loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    if left:
        pytest.fail("the test left tasks running: " + "; ".join(map(repr, left)), pytrace=False)


def _tasks() -> set[asyncio.Task[object]]:
    """Every task but those in which the plugin runs tests and fixtures: it makes a new one for each."""
    return {
        task for task in asyncio.all_tasks() if not repr(task.get_coro()).startswith("<coroutine object TestRunner.")
    }


class _Alarm:
    """Fail whatever runs in the main thread after so many seconds, and again what hangs after that; 0 never does."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds if hasattr(signal, "setitimer") else 0

    def __enter__(self) -> None:
        if self._seconds:
            self._before = signal.signal(signal.SIGALRM, self._ring)
            # A test that hangs leaves fixtures that wait for it: each of them is rung out in its turn.
            signal.setitimer(signal.ITIMER_REAL, self._seconds, AGAIN_S)

    def __exit__(self, *_: object) -> None:
        if self._seconds:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def _ring(self, _signal: int, _frame: FrameType | None) -> None:
        pytest.fail(f"the test took longer than {self._seconds} s")
