"""`headgate init` makes a headgate.toml out of what the user's clients have."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.server.cli.desk import Desk

from headgate.proxy.target import HttpTarget, StdioTarget
from headgate.server.settings import Settings, load_settings, parse_settings

GITHUB = "ghp_fAkEfAkEfAkEfAkEfAkEfAkEfAkEfAkE1234"
ENVIRON = dict.fromkeys(
    ("GITHUB_PERSONAL_ACCESS_TOKEN", "POSTGRES_PASSWORD", "NOTES_KEY", "FIGMA_TEAM", "FIGMA_OAUTH_TOKEN"), "set"
) | {"GITHUB_TOKEN": "set", "PERPLEXITY_KEY": "set", "FIGMA_X_FIGMA_TOKEN": "set"}


def written(desk: Desk) -> Settings:
    return load_settings(desk.project / "headgate.toml", ENVIRON)


def tables(desk: Desk) -> dict[str, Any]:
    return tomllib.loads((desk.project / "headgate.toml").read_text("utf-8"))["upstreams"]


def test_the_servers_of_every_client_go_into_one_file_that_is_right(desk: Desk) -> None:
    desk.has("claude-desktop", "claude_desktop_config.json")
    desk.has("claude-code", "claude.json")
    desk.has("cursor", "cursor.json")
    desk.has("vscode", "vscode.json")
    desk.has("windsurf", "windsurf.json")
    desk.has("codex", "codex.toml")
    assert desk.run("init").code == 0
    assert list(written(desk).upstreams) == [
        "filesystem", "github", "postgres", "sentry", "linear", "time", "docs", "notes",
        "github-2", "perplexity", "figma", "context7", "figma-2",
    ]  # fmt: skip
    assert not written(desk).notices


def test_it_says_what_it_found_where_and_what_it_left_out(desk: Desk) -> None:
    file = desk.has("windsurf", "windsurf.json")
    ran = desk.run("init")
    assert f"Windsurf  figma  ({file})" in ran.out
    assert "old (Windsurf) left out: it is disabled there" in ran.out
    assert "Wrote headgate.toml with 1 upstream: figma" in ran.out
    assert "Next: headgate check --connect" in ran.out


def test_project_files_count_and_their_servers_run_in_the_project(desk: Desk) -> None:
    desk.writes(desk.project / ".mcp.json", '{"mcpServers": {"here": {"command": "./serve"}}}')
    desk.run("init")
    assert written(desk).upstreams["here"].target == StdioTarget("./serve", cwd=str(desk.project))


def test_only_the_client_that_is_named_is_read(desk: Desk) -> None:
    desk.has("claude-desktop", "claude_desktop_config.json")
    desk.has("cursor", "cursor.json")
    desk.run("init", "--from", "cursor")
    assert list(tables(desk)) == ["time", "docs", "notes"]


def test_any_file_of_that_shape_can_be_named(desk: Desk) -> None:
    desk.writes(desk.project / "some.json", '{"mcpServers": {"a": {"url": "https://a.example/mcp"}}}')
    desk.run("init", "--from", "some.json")
    assert written(desk).upstreams["a"].target == HttpTarget("https://a.example/mcp")


def test_what_cannot_be_read_from_is_a_fault_if_it_was_named(desk: Desk) -> None:
    ran = desk.run("init", "--from", "curser")
    assert ran.code == 2
    assert ran.err.startswith("headgate: --from curser: there is no such file, and it is none of claude-desktop, ")
    ran = desk.run("init", "--from", "cursor")
    assert ran.code == 2
    assert ran.err.startswith("headgate: Cursor has no config here; looked for ")
    desk.writes(desk.config_of("cursor"), "{broken")
    ran = desk.run("init", "--from", "cursor")
    assert ran.code == 2
    assert "is not valid JSON: line 1, column 2" in ran.err
    assert ran.err.count("\n") == 1


def test_a_broken_file_is_told_and_passed_over_among_others(desk: Desk) -> None:
    desk.has("codex", "codex.toml")
    desk.writes(desk.config_of("cursor"), "{broken")
    ran = desk.run("init")
    assert ran.code == 0
    assert "is not valid JSON" in ran.out
    assert list(tables(desk)) == ["context7", "figma"]


def test_the_same_server_in_two_clients_is_one_upstream(desk: Desk) -> None:
    entry = '{"mcpServers": {"NAME": {"command": "uvx", "args": ["mcp-server-time"]}}}'
    desk.writes(desk.config_of("cursor"), entry.replace("NAME", "time"))
    desk.writes(desk.config_of("windsurf"), entry.replace("NAME", "Time"))
    desk.run("init")
    assert list(tables(desk)) == ["time"]


def test_different_servers_of_one_name_get_a_number(desk: Desk) -> None:
    entry = '{"mcpServers": {"time": {"command": "uvx", "args": ["COMMAND"]}}}'
    desk.writes(desk.config_of("cursor"), entry.replace("COMMAND", "one"))
    desk.writes(desk.config_of("windsurf"), entry.replace("COMMAND", "two"))
    ran = desk.run("init")
    assert list(tables(desk)) == ["time", "time-2"]
    assert "time (Windsurf) is called time-2 here" in ran.out


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("My Server!", "My-Server"),
        ("a__b", "a_b"),
        ("@scope/server", "scope-server"),
        ("Überwachung", "Uberwachung"),
        ("日本", "server"),
        ("x" * 30, "x" * 24),
        ("-a-", "a"),
    ],
)
def test_names_are_made_to_fit(desk: Desk, theirs: str, ours: str) -> None:
    desk.writes(desk.project / "a.json", f'{{"mcpServers": {{"{theirs}": {{"command": "run"}}}}}}')
    desk.run("init", "--from", "a.json")
    assert list(written(desk).upstreams) == [ours]


def test_secrets_are_neither_copied_nor_printed_and_their_variables_are_named(desk: Desk) -> None:
    desk.has("claude-desktop", "claude_desktop_config.json")
    ran = desk.run("init")
    text = (desk.project / "headgate.toml").read_text("utf-8")
    for said in (text, ran.out, ran.err):
        assert GITHUB not in said
        assert "hunter22" not in said
    assert 'env = { GITHUB_PERSONAL_ACCESS_TOKEN = "${GITHUB_PERSONAL_ACCESS_TOKEN}" }' in text
    assert "postgresql://ada:${POSTGRES_PASSWORD}@db.example/orders" in text
    assert "  GITHUB_PERSONAL_ACCESS_TOKEN  for github\n" in ran.out
    assert "  POSTGRES_PASSWORD             for postgres\n" in ran.out


def test_secrets_are_copied_where_that_is_asked_for_into_a_file_for_its_owner_alone(desk: Desk) -> None:
    desk.has("claude-desktop", "claude_desktop_config.json")
    ran = desk.run("init", "--copy-secrets")
    file = desk.project / "headgate.toml"
    target = load_settings(file, {}).upstreams["github"].target
    assert isinstance(target, StdioTarget)
    assert target.env == {"GITHUB_PERSONAL_ACCESS_TOKEN": GITHUB}
    assert file.stat().st_mode & 0o777 == 0o600
    assert GITHUB not in ran.out + ran.err
    assert "Set these variables" not in ran.out


def test_a_variable_that_is_set_is_told_to_be_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.has("claude-desktop", "claude_desktop_config.json")
    monkeypatch.setenv("GITHUB_PERSONAL_ACCESS_TOKEN", GITHUB)
    monkeypatch.setenv("POSTGRES_PASSWORD", "another")
    ran = desk.run("init")
    assert "GITHUB_PERSONAL_ACCESS_TOKEN  for github (set here)" in ran.out
    assert "POSTGRES_PASSWORD             for postgres (set here, to another value)" in ran.out


def test_without_any_server_there_is_a_file_to_start_from(desk: Desk) -> None:
    ran = desk.run("init")
    assert ran.code == 0
    assert "Found no MCP servers" in ran.out
    assert written(desk).upstreams == {}
    text = (desk.project / "headgate.toml").read_text("utf-8")
    told = parse_settings(uncommented(text), environ={"SOME_TOKEN": "x", "REMOTE_TOKEN": "x"})
    assert list(told.upstreams) == ["files", "remote", "weather"]
    assert told.upstreams["files"].rules.of("TOOL").kind == "read"


def test_every_comment_in_the_file_can_be_made_real(desk: Desk) -> None:
    desk.has("claude-desktop", "claude_desktop_config.json")
    desk.run("init")
    told = parse_settings(uncommented((desk.project / "headgate.toml").read_text("utf-8")), environ=ENVIRON)
    assert told.upstreams["filesystem"].rules.exclude == ("delete_*",)
    assert told.headgate.expose == "batch"
    assert list(told.upstreams) == ["filesystem", "github", "postgres"]


def uncommented(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(line.removeprefix("# ") if " = " in line or line.startswith("# [") else line for line in lines)


def test_a_file_that_is_there_is_kept_unless_force_says_otherwise(desk: Desk) -> None:
    file = desk.writes(desk.project / "headgate.toml", "# mine\n")
    ran = desk.run("init")
    assert ran.code == 2
    assert ran.err.startswith("headgate: headgate.toml is there already: --force replaces it")
    assert file.read_text("utf-8") == "# mine\n"
    ran = desk.run("init", "--force")
    assert ran.code == 0
    (backup,) = desk.project.glob("headgate.toml.*.bak")
    assert backup.read_text("utf-8") == "# mine\n"
    assert str(backup) in ran.out
    assert "[headgate]" in file.read_text("utf-8")


def test_a_dry_run_prints_the_file_and_writes_nothing(desk: Desk) -> None:
    desk.has("cursor", "cursor.json")
    before = desk.everything()
    ran = desk.run("init", "--dry-run")
    assert desk.everything() == before
    assert list(parse_settings(ran.out, environ=ENVIRON).upstreams) == ["time", "docs", "notes"]
    assert "Nothing was written" in ran.err


@pytest.mark.parametrize("argv", [("init", "--output", "a/b.toml"), ("--config", "a/b.toml", "init")])
def test_the_file_goes_where_it_was_asked_for(desk: Desk, argv: tuple[str, ...]) -> None:
    ran = desk.run(*argv)
    assert load_settings(Path("a/b.toml")).upstreams == {}
    assert "headgate check --connect --config a/b.toml" in ran.out


def test_what_headgate_would_refuse_is_said_at_once(desk: Desk) -> None:
    desk.writes(desk.project / "a.json", '{"mcpServers": {"a": {"url": "ftp://a"}}}')
    ran = desk.run("init", "--from", "a.json")
    assert ran.code == 0
    assert "To be mended by hand:\n  headgate.toml:" in ran.err
    assert "upstreams.a.url: write an address that begins with http" in ran.err


def test_long_lines_are_broken_and_odd_keys_quoted(desk: Desk) -> None:
    words = ", ".join(f'"a rather long argument number {number}"' for number in range(6))
    env = ", ".join(f'"VARIABLE_NUMBER_{number}": "a \\"quoted\\" value"' for number in range(6))
    desk.writes(
        desk.project / "a.json",
        f'{{"mcpServers": {{"a": {{"command": "run", "args": [{words}], "env": {{{env}, "odd.key": "1"}}}}}}}}',
    )
    desk.run("init", "--from", "a.json")
    target = written(desk).upstreams["a"].target
    assert isinstance(target, StdioTarget)
    assert len(target.args) == 6
    assert target.env["VARIABLE_NUMBER_3"] == 'a "quoted" value'
    assert target.env["odd.key"] == "1"
    assert max(map(len, (desk.project / "headgate.toml").read_text("utf-8").splitlines())) <= 120
