"""The official MCP servers, as (command, args), and whether this machine has them."""

import importlib.util
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tests.real.install_npm import NodeError, find_node, installed

Command = tuple[str, list[str]]

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
HOW = "`make test` installs them"
NO_GIT_CONFIG = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@cache
def missing() -> str:
    """What of the real servers is not there, in words; empty if all are."""
    lacks = [name for name in ("mcp_server_git", "mcp_server_time") if importlib.util.find_spec(name) is None]
    if not installed(HERE):
        lacks.append("the npm packages")
    try:
        find_node()
    except NodeError as error:
        lacks.append(str(error))
    if shutil.which("git") is None:
        lacks.append("git")
    return ", ".join(lacks)


@cache
def node() -> str:
    """The Node that runs the npm packages."""
    return str(find_node().node)


def everything() -> Command:
    return _npm("server-everything")


def filesystem(folder: Path) -> Command:
    """It reads and writes only below `folder`."""
    return _npm("server-filesystem", str(folder))


def memory() -> Command:
    """Where it keeps its graph, the environment's MEMORY_FILE_PATH says."""
    return _npm("server-memory")


def git(repository: Path) -> Command:
    return sys.executable, ["-m", "mcp_server_git", "--repository", str(repository)]


def clock() -> Command:
    return sys.executable, ["-m", "mcp_server_time", "--local-timezone", "UTC"]


def inspector(*args: str) -> list[str]:
    """A command line of the Inspector's CLI."""
    return [node(), str(MODULES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"), "--cli", *args]


def all_upstreams(folder: Path, repository: Path) -> dict[str, Any]:
    """The five of them as tables of headgate.toml, all that they keep below `folder`."""
    files = folder / "files"
    files.mkdir(exist_ok=True)
    return {
        "everything": _table(everything()),
        "files": _table(filesystem(files)),
        "memory": _table(memory(), env={"MEMORY_FILE_PATH": str(folder / "memory.jsonl")}),
        "git": _table(git(repository), env=NO_GIT_CONFIG),
        "time": _table(clock()),
    }


def make_repository(folder: Path) -> Path:
    """A git repository with one commit, the same each time: own name, own dates, nobody's configuration."""
    folder.mkdir()
    (folder / "orders.txt").write_text("A-17 shipped\n")
    who = {f"GIT_{role}_{what}": said for role in ("AUTHOR", "COMMITTER") for what, said in _WHO.items()}
    for step in (
        ["init", "--quiet", "--initial-branch=main"],
        ["config", "--local", "user.name", _WHO["NAME"]],
        ["config", "--local", "user.email", _WHO["EMAIL"]],
        ["config", "--local", "commit.gpgsign", "false"],
        ["add", "orders.txt"],
        ["commit", "--quiet", "--message=The first order"],
    ):
        subprocess.run(["git", *step], cwd=folder, env=os.environ | NO_GIT_CONFIG | who, timeout=30, check=True)
    return folder


_WHO = {"NAME": "A Tester", "EMAIL": "tester@example.com", "DATE": "2026-01-02T03:04:05+00:00"}


def _npm(package: str, *args: str) -> Command:
    return node(), [str(MODULES / "@modelcontextprotocol" / package / "dist/index.js"), *args]


def _table(command: Command, **more: Any) -> dict[str, Any]:
    return {"command": command[0], "args": command[1], **more}
