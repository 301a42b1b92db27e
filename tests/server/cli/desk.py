"""A user's desk: a home and a project folder of its own, and the command line run in it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from headgate.server.cli import main
from headgate.server.cli.machine import this_machine
from headgate.server.clients.places import CLIENTS, Scope

LIMIT_S = 50
MOVED = ("XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "HEADGATE_CONFIG")
SAMPLES = Path(__file__).parent.parent / "clients" / "samples"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the user sits."""

    home: Path
    project: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *argv: str) -> Ran:
        """Run the command line within this process."""
        code = main(argv)
        said = self.capsys.readouterr()
        return Ran(code, said.out, said.err)

    def start(self, *argv: str, given: str = "", **environ: str) -> Ran:
        """Run it as a process, with `given` on stdin."""
        done = subprocess.run(
            [sys.executable, "-m", "headgate", *argv],
            input=given,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            env=dict(os.environ) | environ,
            cwd=self.project,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def config_of(self, slug: str, scope: Scope = "user") -> Path:
        """The client's file on this desk, there or not."""
        client = next(client for client in CLIENTS if client.slug == slug)
        file = client.file_to_write(this_machine(), scope)
        assert file
        return file

    def has(self, slug: str, sample: str, scope: Scope = "user") -> Path:
        """Give the client a config of its own."""
        return self.writes(self.config_of(slug, scope), (SAMPLES / sample).read_text("utf-8"))

    def writes(self, file: Path, text: str) -> Path:
        """Put a file on the desk."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    def everything(self) -> dict[str, bytes]:
        """Every file on the desk."""
        files = [file for folder in (self.home, self.project) for file in folder.rglob("*") if file.is_file()]
        return {str(file): file.read_bytes() for file in files}
