"""What a start loads before it answers: every module costs it half a millisecond, and an MCP client waits meanwhile."""

import json
import os
import select
import sys
from pathlib import Path

import pytest
from tests.server.processes import WAIT_S, Lines, running
from tests.upstreams.running import recorder_command

MOST_OF_OURS = 137
"""Modules of headgate's own. What needs more of them first looks for some that a start over stdio could do without."""
MOST_IN_ALL = 790
"""Those of the SDK, 570 by themselves, and of the standard library among them; another Python may have some more."""
NOT_FOR_A_START = {
    "aiolimiter": "there is no rate limit",
    "headgate.proxy.arguments": "there is no call",
    "headgate.proxy.driver": "there is no batch",
    "headgate.proxy.endpoints.endpoint": "there are no HTTP endpoints",
    "headgate.proxy.http": "there is no upstream over HTTP",
    "headgate.proxy.journal.file": "there is no write",
    "headgate.proxy.oauth": "nobody logs in",
    "headgate.proxy.sse": "there is no upstream over SSE",
    "headgate.server.agents": "no provider's answers come",
    "headgate.server.clients": "no client's config is touched",
    "headgate.server.demo": "it is no demo",
    "headgate.server.http": "it serves over stdio",
    "headgate.server.logins": "nobody logs in",
    "headgate.server.own_calls": "nothing is called",
    "headgate.server.runs": "there is no batch",
    "headgate.server.settings.endpoints": "there are no HTTP endpoints",
    "headgate.server.settings.recipes": "there is no recipe",
    "headgate.tools.plan": "there is no batch",
    "headgate.tools.recipe": "there is no recipe",
    "headgate.tools.schedule": "there is no batch",
    "jsonpath": "there is no reference",
    "jsonschema_rs": "there are no arguments",
    "keyring": "nobody logs in",
    "openapi_pydantic": "there is no OpenAPI document",
    "referencing": "there is no OpenAPI document",
    "rich": "nobody looks at a terminal",
    "sqlite3": "there is no write",
    "tomlkit": "no file is written",
    "yaml": "there is no OpenAPI document",
}
SERVE = """
import json, sys
from pathlib import Path
from headgate.server import cli, serve

serve.LOAD_AFTER_S = 3600.0
cli.main(["serve", "--config", sys.argv[1]])
Path(sys.argv[2]).write_text(json.dumps(sorted(sys.modules)))
"""
"""Serves as ever, except that nothing is loaded ahead of its use; in the end it tells what was."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    program, args = recorder_command(tmp_path / "log.jsonl")
    path = tmp_path / "headgate.toml"
    path.write_text(f"[upstreams.recorder]\ncommand = {json.dumps(program)}\nargs = {json.dumps([*args])}\n")
    return path


def test_a_start_over_stdio_loads_nothing_that_it_has_no_use_for(config: Path, tmp_path: Path) -> None:
    told = tmp_path / "modules.json"
    with running([sys.executable, "-c", SERVE, str(config), str(told)]) as headgate:
        headgate.shake_hands()
        headgate.close_stdin()
        headgate.process.wait(WAIT_S)

    modules: list[str] = json.loads(told.read_text())
    assert {module: NOT_FOR_A_START[module] for module in modules if module in NOT_FOR_A_START} == {}
    assert len([module for module in modules if module.startswith("headgate.")]) <= MOST_OF_OURS
    assert len(modules) <= MOST_IN_ALL, len(modules)


def test_what_a_batch_needs_is_loaded_before_anybody_asks_for_one(config: Path) -> None:
    with running([sys.executable, "-X", "importtime", "-m", "headgate", "serve", "--config", str(config)]) as headgate:
        assert "headgate.server.runs" in said_until(headgate, "headgate.server.own_calls")

        headgate.close_stdin()
        headgate.rest()


def said_until(headgate: Lines, word: str) -> str:
    """What it has written to stderr when `word` is among it."""
    assert headgate.process.stderr is not None
    said = ""
    while word not in said:
        assert select.select([headgate.process.stderr], [], [], WAIT_S)[0], f"it never wrote {word}"
        piece = os.read(headgate.process.stderr.fileno(), 1 << 16)
        assert piece, "it closed its stderr"
        said += piece.decode(errors="replace")
    return said
