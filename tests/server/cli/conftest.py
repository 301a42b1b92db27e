"""A desk for each test."""

from pathlib import Path

import pytest
from tests.server.cli.desk import MOVED, Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A home with nothing in it, and a project folder to stand in."""
    home, project = tmp_path / "home", tmp_path / "shop"
    home.mkdir()
    project.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    for variable in MOVED:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(project)
    return Desk(home, project, capsys)
