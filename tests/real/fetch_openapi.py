"""Fetch GitHub's OpenAPI document out of the npm package that carries it, and keep nothing else of the package.

`python tests/real/fetch_openapi.py`. The package is 28 MB and unpacks to half a gigabyte; the document is 13 MB of it.
"""

# ruff: noqa: T201 - a program with words for whoever runs it
import base64
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.real.install_npm import INSTALL_LIMIT_S, NodeError, find_node

PACKAGE = "@octokit/openapi@23.0.2"
INTEGRITY = "sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg=="
MEMBER = "package/generated/api.github.com.json"
DOCUMENT = Path(__file__).parent / "documents" / "api.github.com.json"


def fetch(document: Path = DOCUMENT) -> None:
    """Put the document there, unless it is there."""
    if document.is_file():
        return
    node = find_node()
    env = os.environ | {"PATH": os.pathsep.join([str(node.node.parent), os.environ.get("PATH", os.defpath)])}
    document.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*node.npm, "pack", PACKAGE, "--pack-destination", folder, "--silent", "--ignore-scripts"],
            env=env, timeout=INSTALL_LIMIT_S, check=False, capture_output=True, text=True, cwd=folder,
        )  # fmt: skip
        packed = next(Path(folder).glob("*.tgz"), None)
        if done.returncode or packed is None:
            raise NodeError(f"npm pack {PACKAGE} ended with exit code {done.returncode}:\n{done.stderr.strip()}")
        if _integrity(packed) != INTEGRITY:
            raise NodeError(f"{PACKAGE} is not what it was: its integrity is another")
        with tarfile.open(packed) as package:
            content = package.extractfile(MEMBER)
            assert content is not None
            partial = document.with_suffix(".partial")
            partial.write_bytes(content.read())
    partial.replace(document)  # a half-written one is never taken for it


def _integrity(packed: Path) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()


def main() -> int:
    """Fetch it, and say in a line why not."""
    try:
        fetch()
    except (NodeError, subprocess.TimeoutExpired) as error:
        print(f"fetch_openapi: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
