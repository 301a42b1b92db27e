"""Reading the servers that each client has."""

from pathlib import Path, PurePosixPath

import pytest

from headgate.proxy.target import HttpTarget, StdioTarget
from headgate.server.clients.edits import ConfigError
from headgate.server.clients.entries import Found, FoundServer, read_servers
from headgate.server.clients.places import Machine

SAMPLES = Path(__file__).parent / "samples"
SHOP = Machine("linux", PurePosixPath("/home/ada"), {}, PurePosixPath("/home/ada/shop"))


def sample(name: str, *, project: bool = False) -> Found:
    return read_servers((SAMPLES / name).read_text("utf-8"), PurePosixPath(name), "Client", SHOP, project=project)


def read(text: str, *, project: bool = False, name: str = "servers.json") -> Found:
    return read_servers(text, PurePosixPath(name), "Client", SHOP, project=project)


def one(text: str) -> FoundServer:
    (server,) = read(text).servers
    return server


def test_claude_desktop_s_servers() -> None:
    filesystem, github, postgres = sample("claude_desktop_config.json").servers
    assert filesystem.target == StdioTarget(
        "npx", ("-y", "@modelcontextprotocol/server-filesystem", "/home/ada/Documents")
    )
    assert isinstance(github.target, StdioTarget)
    assert github.target.env == {"GITHUB_PERSONAL_ACCESS_TOKEN": "ghp_fAkEfAkEfAkEfAkEfAkEfAkEfAkEfAkE1234"}
    assert (postgres.name, postgres.source) == ("postgres", "Client")


def test_claude_code_s_servers_are_the_user_s_and_those_of_this_folder() -> None:
    sentry, linear, shop = sample("claude.json").servers
    assert sentry.target == HttpTarget("https://mcp.sentry.dev/mcp")
    assert linear.target == HttpTarget("https://mcp.linear.app/sse", transport="sse")
    assert shop.target == StdioTarget("./bin/shop-db", ("--read-only",), cwd="/home/ada/shop")


def test_cursor_s_servers_with_its_variables() -> None:
    found = sample("cursor.json", project=True)
    time, docs, notes = found.servers
    assert time.target == StdioTarget("uvx", ("mcp-server-time", "--local-timezone=Europe/Berlin"), cwd=str(SHOP.cwd))
    assert docs.target == HttpTarget("https://docs.example/sse", transport="sse")
    assert isinstance(notes.target, StdioTarget)
    assert notes.target.args == ("/home/ada/shop/notes.js", "--api-key", "${NOTES_KEY}")
    assert found.notes == (
        "notes (Client): ${workspaceFolder} was written as /home/ada/shop",
        "notes (Client): its envFile is not read: put what it needs into env",
    )


def test_gemini_cli_s_servers_with_its_bare_variables() -> None:
    text = (SAMPLES / "gemini.json").read_text("utf-8")
    found = read_servers(text, PurePosixPath("/home/ada/.gemini/settings.json"), "Client", SHOP)
    shop, maps, old = found.servers
    assert shop.target == StdioTarget(
        "python",
        ("-m", "shop", "--region=${REGION}"),
        {"SHOP_KEY": "${SHOP_KEY}", "PRICE": "5$"},
        "./servers",
    )
    assert (shop.include, shop.exclude, shop.timeout_s) == (("look", "list"), ("delete",), 600)
    assert maps.target == HttpTarget("https://maps.example/mcp", {"Authorization": "Bearer ${MAPS_TOKEN}"})
    assert old.target == HttpTarget("https://old.example/sse", transport="sse")


def test_zed_s_servers_of_both_layouts_without_those_of_extensions() -> None:
    found = sample("zed.json")
    notes, earlier, remote = found.servers
    assert notes.target == StdioTarget("node", ("/home/ada/notes.js",))
    assert earlier.target == StdioTarget("/opt/earlier", ("--stdio",), {"LEVEL": "1"})
    assert remote.target == HttpTarget("https://remote.example/mcp", {"X-Key": "k"})
    assert [note.split(" left out")[0] for note in found.notes] == ["postgres-context-server (Client)"]


def test_vs_code_s_servers_with_what_it_asks_for() -> None:
    found = sample("vscode.json")
    github, perplexity = found.servers
    assert github.target == HttpTarget(
        "https://api.githubcopilot.com/mcp/", {"Authorization": "Bearer ${GITHUB_TOKEN}"}
    )
    assert isinstance(perplexity.target, StdioTarget)
    assert perplexity.target.env == {"PERPLEXITY_API_KEY": "${PERPLEXITY_KEY}"}
    assert perplexity.target.args[-1] == "${REGION:-eu-1}"
    assert (
        "perplexity (Client): the client asks for 'perplexity-key': set PERPLEXITY_KEY instead (Perplexity API key)"
        in found.notes
    )


def test_windsurf_s_servers_and_those_that_rest() -> None:
    found = sample("windsurf.json")
    (figma,) = found.servers
    assert figma.target == HttpTarget("https://mcp.figma.example/mcp", {"X-Figma-Token": "figd_abcdefghijklmnop"})
    assert figma.exclude == ("delete_file",)
    assert found.notes == ("old (Client) left out: it is disabled there",)


def test_codex_s_servers() -> None:
    found = sample("codex.toml")
    context7, figma = found.servers
    assert context7 == FoundServer(
        "context7",
        "Client",
        StdioTarget("npx", ("-y", "@upstash/context7-mcp"), {"LOG_LEVEL": "info"}),
        include=("get-library-docs",),
        timeout_s=45.0,
    )
    assert figma.target == HttpTarget(
        "https://mcp.figma.com/mcp", {"X-Team": "${FIGMA_TEAM}", "Authorization": "Bearer ${FIGMA_OAUTH_TOKEN}"}
    )
    assert found.notes == ("resting (Client) left out: it is disabled there",)


@pytest.mark.parametrize(
    "entry",
    [
        '{"command": "headgate", "args": ["serve"]}',
        '{"command": "/opt/venv/bin/headgate"}',
        r'{"command": "C:\\tools\\headgate.exe", "args": ["serve"]}',
        '{"command": "/usr/bin/python3", "args": ["-m", "headgate", "serve"]}',
        '{"command": "uvx", "args": ["headgate@0.1", "serve"]}',
    ],
)
def test_headgate_is_never_its_own_upstream(entry: str) -> None:
    found = read(f'{{"mcpServers": {{"gate": {entry}}}}}')
    assert found == Found((), ("gate (Client) left out: it is headgate itself",))


def test_a_server_that_headgate_is_wrapped_around_is_taken_for_itself() -> None:
    server = one('{"mcpServers": {"time": {"command": "uvx", "args": ["headgate", "--", "uvx", "mcp-server-time"]}}}')
    assert server.target == StdioTarget("uvx", ("mcp-server-time",))


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ('{"type": "stdio"}', "it has neither a command nor a url"),
        ('{"type": "ws", "url": "wss://x"}', "headgate does not speak its transport, websocket"),
        ('{"command": "run", "args": ["a${b"]}', "it holds a ${ that headgate would take for the start of a variable"),
        ('{"url": "${A:-${B}}"}', "it holds a ${ that headgate would take for the start of a variable"),
        ("7", "it has neither a command nor a url"),
    ],
)
def test_what_cannot_be_used_is_left_out_with_the_reason(entry: str, why: str) -> None:
    assert read(f'{{"mcpServers": {{"x": {entry}}}}}').notes == (f"x (Client) left out: {why}",)


@pytest.mark.parametrize(
    "text",
    [
        '{"x": {"command": "run"}}',
        '{"mcp": {"servers": {"x": {"command": "run"}}}}',
        '{"context_servers": {"x": {"command": "run"}}}',
    ],
)
def test_a_file_of_another_client_is_read_by_its_shape(text: str) -> None:
    assert one(text).target == StdioTarget("run")


def test_values_that_are_not_text_become_text() -> None:
    server = one('{"mcpServers": {"x": {"command": "run", "args": ["-n", 3], "env": {"A": true, "B": 1, "C": null}}}}')
    assert server.target == StdioTarget("run", ("-n", "3"), {"A": "true", "B": "1"})


def test_variables_that_codex_hands_on_by_name_are_named_here_too() -> None:
    text = '[mcp_servers.x]\ncommand = "run"\nenv_vars = ["A", {name = "B"}]\nenv = {C = "1"}\n'
    (server,) = read(text, name="config.toml").servers
    assert server.target == StdioTarget("run", env={"A": "${A}", "C": "1"})


def test_a_path_with_blanks_is_one_command() -> None:
    assert one(r'{"mcpServers": {"x": {"command": "C:\\Program Files\\x.exe"}}}').target == StdioTarget(
        r"C:\Program Files\x.exe"
    )


def test_a_variable_that_only_the_client_knows_becomes_one_to_set() -> None:
    found = read('{"servers": {"x": {"command": "run", "args": ["${config:my.key}"]}}}')
    assert found.servers[0].target == StdioTarget("run", ("${CONFIG_MY_KEY}",))
    assert found.notes == ("x (Client): ${config:my.key} is the client's own: set CONFIG_MY_KEY to what it stands for",)


def test_headgate_s_own_form_of_a_variable_stays() -> None:
    assert one('{"servers": {"x": {"url": "${BASE:-https://a}/mcp"}}}').target == HttpTarget("${BASE:-https://a}/mcp")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.json", '{"mcpServers": {', "a.json is not valid JSON: line 1, column 17"),
        ("a.toml", "[mcp_servers", "a.toml is not valid TOML"),
        ("a.toml", "a = " + "[" * 10_000, "a.toml is nested too deeply"),
        ("a.json", "[1]", "a.json holds no JSON object"),
    ],
)
def test_a_broken_file_is_refused_by_name(name: str, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        read(text, name=name)
