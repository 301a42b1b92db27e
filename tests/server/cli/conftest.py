"""A desk for each test."""

import logging
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.server.cli.desk import MOVED, Desk


@pytest.fixture
def own_log() -> Generator[None]:
    """Commands set up the log for a process of their own; what they did to this one's is undone."""
    root, own = logging.getLogger(), logging.getLogger("headgate")
    handlers, levels = root.handlers[:], (root.level, own.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_log: None) -> Desk:
    """A home with nothing in it, and a project folder to stand in."""
    del own_log
    home, project = tmp_path / "home", tmp_path / "shop"
    home.mkdir()
    project.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    for variable in MOVED:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(project)
    return Desk(home, project, capsys)
