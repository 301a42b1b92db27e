"""The MCP Inspector's command line, an official client that is none of ours."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.config import write_config
from tests.real.gates import http_headgate, serve_command
from tests.real.servers import inspector
from tests.upstreams.running import recorder_upstream

pytestmark = pytest.mark.real
LIMIT_S = 40
CALLS = json.dumps([
    {"id": "a", "tool": "recorder__wait", "arguments": {"ms": 5, "tag": "a"}},
    {"id": "b", "tool": "recorder__write", "arguments": {"ms": 5, "tag": "b"}},
])  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, {"recorder": recorder_upstream(tmp_path / "log.jsonl")})


@pytest.fixture
def over_stdio(tmp_path: Path, config: Path) -> list[str]:
    """The Inspector's way to say: start this server."""
    command, *args = serve_command(config)
    file = tmp_path / "inspector.json"
    file.write_text(json.dumps({"mcpServers": {"headgate": {"type": "stdio", "command": command, "args": args}}}))
    return ["--config", str(file), "--server", "headgate"]


def inspect(home: Path, *args: str) -> dict[str, Any]:
    """What the Inspector printed; it must end well."""
    env = os.environ | {"HOME": str(home), "MCP_INSPECTOR_SECRET_STORE": "memory"}
    done = subprocess.run(
        inspector(*args), env=env, cwd=home, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_lists_the_tools_and_finds_their_schemas_portable(tmp_path: Path, over_stdio: list[str]) -> None:
    listed = inspect(tmp_path, *over_stdio, "--method", "tools/list", "--strict")

    assert {"batch_call", "batch_read", "find_tools", "get_result"} <= {tool["name"] for tool in listed["tools"]}


def test_it_runs_a_batch_over_stdio(tmp_path: Path, over_stdio: list[str]) -> None:
    answer = inspect(
        tmp_path, *over_stdio, "--method", "tools/call", "--tool-name", "batch_call", "--tool-arg", f"calls={CALLS}"
    )

    assert answer["structuredContent"]["counts"] == {"ok": 2}


def test_it_runs_a_batch_over_http(tmp_path: Path, config: Path) -> None:
    with http_headgate(config) as url:
        answer = inspect(
            tmp_path, url, "--transport", "http", "--method", "tools/call", "--tool-name", "batch_call",
            "--tool-arg", f"calls={CALLS}",
        )  # fmt: skip

    assert answer["structuredContent"]["counts"] == {"ok": 2}
