"""A copy of the pure layer and its tests, in which a file can be broken and the tests be asked whether they notice.

Each trial is a fork of this process, which has imported what tests need but none of headgate: a fresh interpreter
for each would take longer than the tests.
"""

import contextlib
import importlib
import os
import re
import resource
import shutil
import sys
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path("tools/headgate/tools")
TESTS = Path("tests/tools")
LAWS = "test_schedule_laws.py"
_LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "node_modules", "mutation", "proxy", "server", "upstreams", "examples"
)
_PRELOADED = ("anyio.pytest_plugin", "jsonpath", "orjson", "pydantic")
_OPTIONS = (
    *("-x", "-q", "-rfE", "--no-header", "--tb=line", "-p", "no:cacheprovider", "--hypothesis-profile=trial"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # of what this process has imported ahead
)
_NOTICED = re.compile(r"^(?:FAILED|ERROR) [^\s:]+(?:::(\S+))?", re.MULTILINE)
_MEMORY = 4 << 30

# Whether a test fails is all that is asked: nothing is made small, explained or kept.
settings.register_profile(
    "trial",
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=tuple(HealthCheck),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the tests noticed, and which did first."""

    noticed: bool
    by: str
    output: str


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy, sound but for the file that is broken at the moment."""

    root: Path

    @contextlib.contextmanager
    def broken(self, name: str, text: str) -> Generator[None]:
        """Let the source file called `name` read `text` for a while."""
        path = self.root / SOURCES / name
        sound = path.read_text(encoding="utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()
        path.write_text(text, encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(sound, encoding="utf-8")

    def run(self, tests: Sequence[str], limit_s: float, *, seed: int = 0) -> Verdict:
        """Run these test files up to the first failure; what takes longer than `limit_s` counts as noticed."""
        output = self.root / "output.txt"
        paths = [str(TESTS / test) for test in tests]
        arguments = [*_OPTIONS, f"--hypothesis-seed={seed}", *paths]
        child = get_context("fork").Process(target=_in_child, args=(self.root, arguments, output))
        child.start()
        child.join(limit_s)
        if child.is_alive():
            child.kill()
            child.join()
            return Verdict(noticed=True, by=f"more than {limit_s:.0f} s", output="")
        said = output.read_text(encoding="utf-8", errors="replace")
        if child.exitcode == 0:
            return Verdict(noticed=False, by="", output=said)
        found = _NOTICED.search(said)
        if found is None:
            raise RuntimeError(f"the tests ended with {child.exitcode} and named none that failed:\n{said}")
        return Verdict(noticed=True, by=found[1] or "a file that could not be imported", output=said)


@contextlib.contextmanager
def copied() -> Generator[Copy]:
    """A copy of the tree as it stands now, as far as the tests of the pure layer need it."""
    for name in _PRELOADED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="headgate-trial-") as folder:
        root = Path(folder)
        for part in ("tools", "tests"):
            # The first level of tests/ is thinned out by name; tools/headgate/tools is nothing but sources.
            shutil.copytree(ROOT / part, root / part, ignore=_LEFT_OUT)
        shutil.copy(ROOT / "pyproject.toml", root)
        yield Copy(root)


def _in_child(root: Path, arguments: list[str], output: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    os.chdir(root)
    sys.path[:] = [str(root), str(root / "tools"), *(path for path in sys.path if path != str(ROOT))]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "headgate")]:
        del sys.modules[name]  # those of the tree itself, which the copy stands for
    sys.dont_write_bytecode = True  # two texts of one length within a second would be taken for the same
    with output.open("w", encoding="utf-8") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    code = int(pytest.main(arguments))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
