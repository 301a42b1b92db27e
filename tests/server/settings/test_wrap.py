"""Settings for one command and no file."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.proxy.target import StdioTarget
from headgate.server.settings import HeadgateSettings, SettingsError, UpstreamSettings, parse_settings, wrap_command
from headgate.tools.rules import UpstreamRules

NAMES = [
    ("npx -y @modelcontextprotocol/server-filesystem /x", "filesystem"),
    ("npx -y @playwright/mcp@latest --headless", "playwright"),
    ("npx -p typescript -y foo-mcp", "foo"),
    ("pnpm dlx server-everything", "everything"),
    ("uvx mcp-server-git", "git"),
    ("uvx mcp-server-fetch==1.2", "fetch"),
    ("uvx --from git+https://github.com/a/b b-mcp", "b"),
    ("uvx excel-mcp-server[extra] stdio", "excel"),
    ("uv --directory /p run weather.py", "weather"),
    ("env A=b uvx mcp-server-time", "time"),
    ("python srv.py", "srv"),
    ("python3.11 -m mcp_server_git --repository .", "git"),
    ("python -m pkg.server", "pkg"),
    ("python server.py", "server"),
    ("python -c print()", "python"),
    ("node", "node"),
    ("node /x/weather/build/index.js", "weather"),
    ("docker run -i --rm -e TOKEN mcp/github", "github"),
    ("docker run ghcr.io/github/github-mcp-server:v1", "github"),
    ("/usr/bin/my_server --port 3", "my"),
    (r"C:\tools\Orders.exe", "Orders"),
    ("some__odd..name", "some-odd-name"),
    ("x" * 23 + "-" + "y" * 10, "x" * 23),
    ("é", "upstream"),
]


@pytest.mark.parametrize(("line", "name"), NAMES)
def test_the_upstream_is_named_after_the_server_and_not_its_launcher(line: str, name: str) -> None:
    command, *args = line.split()

    assert list(wrap_command(command, args, {}).upstreams) == [name]


def test_all_else_is_by_default() -> None:
    settings = wrap_command("uvx", ["mcp-server-git", "${HOME}"], {})

    assert replace(settings.headgate, journal=None) == HeadgateSettings()
    target = StdioTarget("uvx", ("mcp-server-git", "${HOME}"))
    assert settings.upstreams == {"git": UpstreamSettings("git", target, UpstreamRules())}
    assert (settings.source, settings.notices) == (None, ())


def test_the_environment_has_the_last_word_on_parallel_here_too() -> None:
    assert wrap_command("x", [], {"HEADGATE_PARALLEL": "0"}).headgate.parallel is False
    with pytest.raises(SettingsError, match=r"^HEADGATE_PARALLEL: "):
        wrap_command("x", [], {"HEADGATE_PARALLEL": "maybe"})


def test_an_empty_command_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^COMMAND: "):
        wrap_command("", [], {})


@given(st.text(min_size=1).filter(str.strip), st.lists(st.text() | st.sampled_from(["-m", "-p", "npx", "a/b"])))
def test_any_command_gets_a_name_that_a_file_could_give_it(command: str, args: list[str]) -> None:
    (name,) = wrap_command(command, args, {}).upstreams

    assert name in parse_settings(f"upstreams.{name}.command = 'x'", environ={}).upstreams
