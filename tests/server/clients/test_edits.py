"""Putting one server into a client's config leaves everything else as it was."""

import difflib
import json
import tomllib
from pathlib import Path, PurePosixPath

import pytest

from headgate.server.clients.edits import ConfigError, with_server, without_server

SAMPLES = Path(__file__).parent / "samples"
ENTRY = {"command": "/opt/headgate", "args": ["serve", "--config", "/home/ada/headgate.toml"]}
FILES = [
    ("claude_desktop_config.json", "mcpServers"),
    ("claude.json", "mcpServers"),
    ("cursor.json", "mcpServers"),
    ("vscode.json", "servers"),
    ("windsurf.json", "mcpServers"),
    ("codex.toml", "mcp_servers"),
    ("gemini.json", "mcpServers"),
    ("zed.json", "context_servers"),
]


def put(text: str, name: str = "a.json", key: str = "mcpServers", entry: dict[str, object] | None = None) -> str:
    return with_server(text, PurePosixPath(name), key, "headgate", entry or dict(ENTRY))


@pytest.mark.parametrize(("name", "key"), FILES)
def test_lines_are_only_added_apart_from_a_comma(name: str, key: str) -> None:
    before = (SAMPLES / name).read_text("utf-8")
    after = put(before, name, key)
    removed = [line[2:] for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line.startswith("- ")]
    assert len(removed) <= 1
    assert all(f"{line}," in after.splitlines() for line in removed)
    assert "/opt/headgate" in after


@pytest.mark.parametrize(("name", "key"), FILES)
def test_putting_it_in_twice_changes_nothing_the_second_time(name: str, key: str) -> None:
    once = put((SAMPLES / name).read_text("utf-8"), name, key)
    assert put(once, name, key) == once


@pytest.mark.parametrize(("name", "key"), FILES)
def test_taking_it_out_again_leaves_the_file_as_it_was(name: str, key: str) -> None:
    before = (SAMPLES / name).read_text("utf-8")
    assert without_server(put(before, name, key), PurePosixPath(name), key, "headgate") == before


@pytest.mark.parametrize(("name", "key"), FILES)
def test_what_is_not_there_cannot_be_taken_out(name: str, key: str) -> None:
    before = (SAMPLES / name).read_text("utf-8")
    assert without_server(before, PurePosixPath(name), key, "headgate") == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"mcpServers": {"headgate": {"command": "x"}}}', '{"mcpServers": {}}'),
        ('{"mcpServers": {"a": 1, "headgate": {"command": "x"}}}', '{"mcpServers": {"a": 1}}'),
        ('{"mcpServers": {"headgate": {"command": "x"}, "b": 2}}', '{"mcpServers": { "b": 2}}'),
        (
            '{"mcpServers": {\n  "a": 1, // mine\n  "headgate": {"command": "x"} // ours\n}}',
            '{"mcpServers": {\n  "a": 1 // mine // ours\n}}',
        ),
        (
            '{"mcpServers": {\r\n  "headgate": {"command": "x"},\r\n  "b": 2\r\n}}',
            '{"mcpServers": {\r\n  "b": 2\r\n}}',
        ),
    ],
)
def test_taking_it_out_leaves_its_neighbours_and_their_comments(before: str, after: str) -> None:
    assert without_server(before, PurePosixPath("a.json"), "mcpServers", "headgate") == after


def test_a_server_of_that_name_that_is_none_of_ours_is_not_taken_out() -> None:
    with pytest.raises(ConfigError, match="another kind of server"):
        without_server('{"mcpServers": {"headgate": {"url": "x"}}}', PurePosixPath("a.json"), "mcpServers", "headgate")


def test_plain_json_reads_back_with_every_other_key_in_order() -> None:
    before = (SAMPLES / "claude_desktop_config.json").read_text("utf-8")
    document = json.loads(put(before))
    assert list(document) == ["globalShortcut", "mcpServers", "preferences"]
    assert list(document["mcpServers"]) == ["filesystem", "github", "postgres", "headgate"]
    assert document["mcpServers"].pop("headgate") == ENTRY
    assert document == json.loads(before)


def test_toml_keeps_its_comments_and_reads_back() -> None:
    before = (SAMPLES / "codex.toml").read_text("utf-8")
    after = put(before, "codex.toml", "mcp_servers")
    assert "# the one we use" in after
    assert "# --- servers ---" in after
    document = tomllib.loads(after)
    assert document["mcp_servers"].pop("headgate") == ENTRY
    assert document == tomllib.loads(before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a = 1", "a = 1\n\n[mcp_servers.headgate]\nx = 1\n"),
        ("[z]\na = 1\n", "[z]\na = 1\n\n[mcp_servers.headgate]\nx = 1\n"),
        (
            "[mcp_servers.b]\ncommand = 'b'\n[z]\na = 1\n",
            "[mcp_servers.b]\ncommand = 'b'\n\n[mcp_servers.headgate]\nx = 1\n\n[z]\na = 1\n",
        ),
        (
            "[mcp_servers.headgate]\ncommand = 'old' # mine\nx = 2\n[z]\n",
            "[mcp_servers.headgate]\ncommand = 'old' # mine\nx = 1\n[z]\n",
        ),
        ("a = 1\r\n[z]\r\n", "a = 1\r\n[z]\r\n\r\n[mcp_servers.headgate]\r\nx = 1\r\n"),
    ],
)
def test_toml_tables_stand_apart(before: str, after: str) -> None:
    assert put(before, "a.toml", "mcp_servers", {"x": 1}) == after


def test_an_older_entry_is_brought_up_to_date_and_keeps_what_its_owner_added() -> None:
    before = '{"mcpServers": {"headgate": {"command": "old", "args": ["x"], "alwaysAllow": ["batch_read"]}}}'
    assert json.loads(put(before))["mcpServers"]["headgate"] == {**ENTRY, "alwaysAllow": ["batch_read"]}


def test_an_entry_that_says_the_same_in_another_layout_stays_as_it_is() -> None:
    args = ",\n".join(json.dumps(arg) for arg in ENTRY["args"])
    before = f'{{"mcpServers": {{"headgate": {{"args": [\n{args}\n], "command": "/opt/headgate"}}}}}}'
    assert put(before) == before


def test_a_new_file_is_laid_out_to_be_read() -> None:
    assert put("") == (
        '{\n  "mcpServers": {\n    "headgate": {\n      "command": "/opt/headgate",\n'
        '      "args": ["serve", "--config", "/home/ada/headgate.toml"]\n    }\n  }\n}\n'
    )
    assert put("", "config.toml", "mcp_servers") == (
        '[mcp_servers.headgate]\ncommand = "/opt/headgate"\nargs = ["serve", "--config", "/home/ada/headgate.toml"]\n'
    )


def test_another_kind_of_entry_of_that_name_is_not_overwritten() -> None:
    with pytest.raises(ConfigError, match="another kind of server called 'headgate'"):
        put('{"mcpServers": {"headgate": {"url": "https://x"}}}')


@pytest.mark.parametrize(
    ("text", "name", "key"),
    [
        ('{"mcpServers": []}', "a.json", "mcpServers"),
        ('{"mcpServers": {,}}', "a.json", "mcpServers"),
        ("mcp_servers = {x={command='x'}}", "a.toml", "mcp_servers"),
        ("mcp_servers = 1", "a.toml", "mcp_servers"),
        ("[mcp_servers", "a.toml", "mcp_servers"),
    ],
)
def test_what_cannot_be_changed_safely_is_refused(text: str, name: str, key: str) -> None:
    with pytest.raises(ConfigError):
        put(text, name, key)
