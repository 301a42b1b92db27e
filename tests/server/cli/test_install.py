"""`headgate install` puts headgate into a client's config and leaves the rest of it alone."""

import json
import sys
import tomllib
from pathlib import Path
from typing import cast

import pytest
from tests.server.cli.desk import Desk

from headgate.server.cli.machine import own_command
from headgate.server.clients.jsonc import loads

JSON_CLIENTS = [
    ("claude-desktop", "claude_desktop_config.json", "mcpServers"),
    ("claude-code", "claude.json", "mcpServers"),
    ("cursor", "cursor.json", "mcpServers"),
    ("vscode", "vscode.json", "servers"),
    ("windsurf", "windsurf.json", "mcpServers"),
    ("gemini", "gemini.json", "mcpServers"),
    ("zed", "zed.json", "context_servers"),
]


@pytest.fixture(autouse=True)
def config(desk: Desk) -> Path:
    return desk.writes(desk.project / "headgate.toml", "")


def words(config: Path) -> tuple[str, list[str]]:
    """How the client is to start headgate."""
    command, *args = own_command(sys.argv[0], sys.executable)
    return command, [*args, "serve", "--config", str(config)]


@pytest.mark.parametrize(("client", "sample", "key"), JSON_CLIENTS)
def test_a_client_s_servers_and_all_else_stay_and_headgate_is_among_them(
    desk: Desk, config: Path, client: str, sample: str, key: str
) -> None:
    file = desk.has(client, sample)
    before = loads(file.read_text("utf-8"))
    assert desk.run("install", client).code == 0
    after = cast("dict[str, dict[str, dict[str, object]]]", loads(file.read_text("utf-8")))
    entry = after[key].pop("headgate")
    assert after == before
    assert (entry.pop("command"), entry.pop("args")) == words(config)
    assert entry == ({"type": "stdio"} if client in {"claude-code", "vscode"} else {})


@pytest.mark.parametrize(("client", "sample"), [*((c, s) for c, s, _ in JSON_CLIENTS), ("codex", "codex.toml")])
def test_undo_leaves_the_file_as_it_was_and_keeps_a_backup(desk: Desk, client: str, sample: str) -> None:
    file = desk.has(client, sample)
    before = file.read_text("utf-8")
    assert desk.run("install", client).code == 0
    with_it = file.read_text("utf-8")

    assert "headgate" in desk.run("install", client, "--undo", "--dry-run").out
    assert file.read_text("utf-8") == with_it
    ran = desk.run("install", client, "--undo")
    assert (ran.code, ran.out.startswith(f"Took headgate out of {file}")) == (0, True)
    assert file.read_text("utf-8") == before
    assert any(other.read_text("utf-8") == with_it for other in file.parent.glob("*.bak"))


def test_undo_where_headgate_is_not_changes_nothing(desk: Desk) -> None:
    ran = desk.run("install", "cursor", "--undo")
    assert (ran.code, ran.out.startswith("headgate is not there")) == (0, True)


def test_codex_s_toml_keeps_its_comments(desk: Desk, config: Path) -> None:
    file = desk.has("codex", "codex.toml")
    before = file.read_text("utf-8")
    assert desk.run("install", "codex").code == 0
    after = file.read_text("utf-8")
    assert [line for line in before.splitlines() if line not in after.splitlines()] == []
    entry = tomllib.loads(after)["mcp_servers"]["headgate"]
    assert (entry["command"], entry["args"]) == words(config)


def test_codex_is_told_to_hand_on_the_variables_that_headgate_toml_takes(desk: Desk, config: Path) -> None:
    config.write_text('[upstreams.a]\nurl = "https://${HOST}/${PATH_:-mcp}"\n', "utf-8")
    ran = desk.run("install", "codex")
    assert tomllib.loads(desk.config_of("codex").read_text("utf-8"))["mcp_servers"]["headgate"]["env_vars"] == ["HOST"]
    assert "HOST" not in ran.out


def test_other_clients_are_to_be_given_the_variables_by_name(desk: Desk, config: Path) -> None:
    config.write_text('[upstreams.a]\nurl = "https://${HOST}/mcp"\n', "utf-8")
    ran = desk.run("install", "cursor")
    assert "headgate.toml takes HOST from the environment" in ran.out
    assert "headgate install cursor --env HOST" in ran.out


def test_variables_are_put_into_the_entry_and_never_printed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cr3t-here")
    argv = ("install", "cursor", "--env", "MY_TOKEN", "--env", "OTHER=s3cr3t-given")
    dry = desk.run(*argv, "--dry-run")
    assert '"MY_TOKEN": "…"' in dry.out
    ran = desk.run(*argv)
    assert "s3cr3t" not in dry.out + dry.err + ran.out + ran.err
    entry = json.loads(desk.config_of("cursor").read_text("utf-8"))["mcpServers"]["headgate"]
    assert entry["env"] == {"MY_TOKEN": "s3cr3t-here", "OTHER": "s3cr3t-given"}
    ran = desk.run("install", "cursor", "--env", "MISSING")
    assert (ran.code, ran.err) == (2, "headgate: --env MISSING: it is not set here: write --env MISSING=VALUE\n")


def test_the_file_as_it_was_is_kept_beside_it(desk: Desk) -> None:
    file = desk.has("cursor", "cursor.json")
    before = file.read_bytes()
    ran = desk.run("install", "cursor")
    (backup,) = file.parent.glob("mcp.json.*.bak")
    assert backup.read_bytes() == before
    assert f"The file as it was: {backup}" in ran.out
    assert "Cursor still starts its other servers itself, 3 in all" in ran.out
    assert "Next: Switch headgate on under Cursor Settings" in ran.out


def test_a_second_time_there_is_nothing_to_change(desk: Desk) -> None:
    desk.has("vscode", "vscode.json")
    desk.run("install", "vscode")
    before = desk.everything()
    ran = desk.run("install", "vscode")
    assert ran.code == 0
    assert ran.out.startswith("headgate is there already: nothing to change in ")
    assert desk.everything() == before


def test_an_entry_with_another_config_is_brought_up_to_date(desk: Desk, config: Path) -> None:
    desk.run("install", "cursor")
    other = desk.writes(desk.project / "other.toml", "")
    assert desk.run("install", "cursor", "--config", "other.toml").code == 0
    entry = json.loads(desk.config_of("cursor").read_text("utf-8"))["mcpServers"]["headgate"]
    assert entry["args"][-1] == str(other) != str(config)


def test_a_dry_run_shows_the_change_without_its_secrets_and_writes_nothing(desk: Desk) -> None:
    desk.has("claude-desktop", "claude_desktop_config.json")
    desk.has("windsurf", "windsurf.json")
    before = desk.everything()
    for client in ("claude-desktop", "windsurf"):
        ran = desk.run("install", client, "--dry-run")
        assert ran.code == 0
        assert "+" in ran.out
        assert '"headgate": {' in ran.out
        assert "hunter22" not in ran.out
        assert "figd_" not in ran.out
        assert "ghp_" not in ran.out
    assert desk.everything() == before


def test_a_missing_config_is_made_with_its_folder_and_said_so(desk: Desk) -> None:
    file = desk.config_of("windsurf")
    ran = desk.run("install", "windsurf")
    assert ran.out.startswith(f"Made {file} with headgate in it\n")
    assert list(json.loads(file.read_text("utf-8"))) == ["mcpServers"]


@pytest.mark.parametrize("client", ["cursor", "vscode", "claude-code"])
def test_a_project_s_file_is_written_where_that_is_asked_for(desk: Desk, client: str) -> None:
    ran = desk.run("install", client, "--scope", "project")
    file = desk.config_of(client, "project")
    assert file.is_relative_to(desk.project)
    assert "headgate" in file.read_text("utf-8")
    assert "keep it out of version control" in ran.out


def test_a_client_without_projects_says_so(desk: Desk) -> None:
    ran = desk.run("install", "windsurf", "--scope", "project")
    assert (ran.code, ran.err) == (
        2,
        "headgate: Windsurf has no config of its own in a project: leave out --scope project\n",
    )


def test_a_broken_config_is_left_as_it_is_and_the_entry_printed_to_be_pasted(desk: Desk, config: Path) -> None:
    file = desk.writes(desk.config_of("cursor"), '{"mcpServers": {')
    before = desk.everything()
    ran = desk.run("install", "cursor")
    assert ran.code == 2
    assert desk.everything() == before
    first, _, snippet = ran.err.partition("\n")
    assert first == (
        f'headgate: {file} is not valid JSON: line 1, column 17: expected a "key" or }}. '
        "Nothing was changed; to do it by hand, put this in:"
    )
    command, args = words(config)
    assert json.loads(snippet) == {"mcpServers": {"headgate": {"command": command, "args": args}}}


def test_another_name_can_be_given(desk: Desk) -> None:
    desk.run("install", "cursor", "--name", "shop")
    assert list(json.loads(desk.config_of("cursor").read_text("utf-8"))["mcpServers"]) == ["shop"]
    assert desk.run("install", "cursor", "--name", "a b").code == 2


def test_without_a_headgate_toml_nothing_is_installed(desk: Desk, config: Path) -> None:
    config.unlink()
    ran = desk.run("install", "cursor")
    assert ran.code == 2
    assert "write one with 'headgate init'" in ran.err
    assert not desk.config_of("cursor").exists()


def test_headgate_is_started_by_its_script_s_full_path_or_else_as_a_module(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "headgate"
    python = tmp_path / "venv" / "bin" / "python"
    assert own_command(str(script), str(python)) == [str(python), "-m", "headgate"]
    for place in (python.with_name("headgate"), script):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        assert own_command(str(script), str(python)) == [str(place)]
