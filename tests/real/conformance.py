"""Run the official conformance suite against a fixture server, directly and through headgate, and compare.

`python tests/real/conformance.py` prints the table of docs/conformance.md, and ends with 1 if a check that passes
directly does not through headgate. The packages of this folder have to be installed (`install_npm.py`).
"""

# ruff: noqa: T201 - a program with words for whoever runs it
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.config import write_config
from tests.real.gates import free_port, http_headgate, wait_for_port
from tests.real.install_npm import find_node

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SUITE = HERE / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
REVISIONS = ("2025-11-25", "2026-07-28")
LIMIT_S = 240


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the checks of one scenario, by their ids, with what the suite said of them.

    `warned` are those of what a server should do and need not.
    """

    passed: dict[str, str]
    failed: dict[str, str]
    warned: dict[str, str]

    def __str__(self) -> str:
        total = sum(map(len, (self.passed, self.failed, self.warned)))
        return f"{len(self.passed)} of {total}" + (f", {len(self.warned)} warned of" if self.warned else "")


@contextmanager
def fixture_server() -> Generator[str]:
    """The URL of a fixture server, until the block ends."""
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.real.conformance_server", str(port)], cwd=ROOT
    ) as process:
        try:
            wait_for_port(port, process)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.kill()


@contextmanager
def behind_headgate(url: str, folder: Path, revision: str) -> Generator[str]:
    """The URL of a headgate in front of the server at `url`, whose clients speak the protocol's `revision`.

    The server asks its questions as the era has it that it is spoken to in, and not every tool has both ways.
    """
    era = {"protocol": revision} if revision == "2025-11-25" else {}
    with http_headgate(write_config(folder, {"fixture": {"url": url, "prefix": False, **era}})) as served:
        yield served


def verdicts(url: str, revision: str, *scenarios: str) -> dict[str, Verdict]:
    """What the suite has to say of the server at `url`: all that the revision requires, or only some scenarios."""
    what = [["--scenario", scenario, "--spec-version", revision] for scenario in scenarios]
    with tempfile.TemporaryDirectory() as folder:
        for chosen in what or [["--requirements", revision]]:
            command = [str(find_node().node), str(SUITE), "server", "--url", url, "-o", folder, *chosen]
            subprocess.run(command, timeout=LIMIT_S, check=False, capture_output=True)
        return dict(sorted(_read(path) for path in Path(folder).rglob("checks.json")))


def _read(path: Path) -> tuple[str, Verdict]:
    """The scenario's name stands in that of its folder, between the kind of the run and its date."""
    name = re.sub(r"-\d{4}-\d\d-\d\dT.*", "", path.parent.name).removeprefix("server-")
    found: dict[str, dict[str, str]] = {"SUCCESS": {}, "FAILURE": {}, "WARNING": {}}
    for check in json.loads(path.read_text(encoding="utf-8")):
        found.setdefault(check["status"], {})[check["id"]] = str(check.get("errorMessage", ""))
    return name, Verdict(found["SUCCESS"], found["FAILURE"], found["WARNING"])


def worse(direct: dict[str, Verdict], through: dict[str, Verdict]) -> list[str]:
    """What fails through headgate and not directly."""
    missing = [f"{name}: it did not run" for name in direct if name not in through]
    return missing + [
        f"{name}: {check}: {why}"
        for name, verdict in through.items()
        for check, why in verdict.failed.items()
        if name not in direct or check not in direct[name].failed
    ]


def main() -> int:
    """Print the table, and what is worse through headgate."""
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder, fixture_server() as url:
        for revision in REVISIONS:
            direct = verdicts(url, revision)
            with behind_headgate(url, Path(folder), revision) as served:
                through = verdicts(served, revision)
            print(f"\n## {revision}\n\n| scenario | directly | through headgate |\n| --- | --- | --- |")
            for name, verdict in direct.items():
                print(f"| {name} | {verdict} | {through.get(name, 'did not run')} |")
            found += [f"{revision} {words}" for words in worse(direct, through)]
    print(*found, sep=os.linesep, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
