"""What `headgate install` writes for a desktop client is what that client can start."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.config import write_config
from tests.real.wire import wired
from tests.upstreams.running import recorder_upstream

SERVERS_KEY = {"claude-desktop": "mcpServers", "cursor": "mcpServers", "vscode": "servers"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, {"recorder": recorder_upstream(tmp_path / "log.jsonl")})


def install(client: str, config: Path, home: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "APPDATA"))}
    subprocess.run(
        [sys.executable, "-m", "headgate", "install", client, "--config", str(config)],
        env=env | {"HOME": str(home)}, cwd=home, timeout=50, check=True, capture_output=True,
    )  # fmt: skip


def written_entry(client: str, home: Path) -> dict[str, Any]:
    """The entry called headgate in the one config file below `home`."""
    (file,) = [path for path in home.rglob("*.json") if "headgate" in path.read_text(encoding="utf-8")]
    return json.loads(file.read_text(encoding="utf-8"))[SERVERS_KEY[client]]["headgate"]


@pytest.mark.parametrize("client", SERVERS_KEY)
async def test_a_clients_file_parses_and_its_command_answers_initialize(client: str, config: Path, home: Path) -> None:
    install(client, config, home)
    entry = written_entry(client, home)

    # A desktop program starts servers from a folder and with an environment that are not the shell's.
    env = {"HOME": str(home), "PATH": os.defpath, **entry.get("env", {})}
    async with wired([entry["command"], *entry["args"]], env=env, cwd=home) as wire:
        said = await wire.initialize()
        answer = await wire.request(
            "tools/call",
            {
                "name": "batch_call",
                "arguments": {"calls": [{"tool": "recorder__wait", "arguments": {"ms": 1, "tag": "x"}}]},
            },
        )

    assert said["serverInfo"]["name"] == "headgate"
    assert answer["structuredContent"]["outcome"] == "ok"
