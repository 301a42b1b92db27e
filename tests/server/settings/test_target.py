"""Where an upstream is."""

from pathlib import Path

import pytest
from tests.server.settings.reading import one_upstream, refusal, told

from headgate.proxy.target import EndpointsTarget, HttpTarget, StdioTarget
from headgate.server.settings import parse_settings


def test_a_program_has_arguments_variables_and_a_folder() -> None:
    text = "command = 'uvx'\nargs = ['a', '']\nenv = { A = '1' }\ncwd = '/srv'"

    assert one_upstream(text).target == StdioTarget("uvx", ("a", ""), {"A": "1"}, "/srv")


def test_an_address_has_headers_and_a_transport() -> None:
    assert one_upstream("url = 'http://x'").target == HttpTarget("http://x", {}, "streamable-http")
    text = "url = 'https://[::1]:8/mcp?a=b'\nheaders.X-Key = 'k'\ntransport = 'sse'"
    assert one_upstream(text).target == HttpTarget("https://[::1]:8/mcp?a=b", {"X-Key": "k"}, "sse")


def test_a_server_that_knows_both_eras_can_be_spoken_to_in_the_older_one() -> None:
    for place in ("command = 'x'", "url = 'http://x'"):
        newest = one_upstream(place).target
        older = one_upstream(f"{place}\nprotocol = '2025-11-25'").target
        assert isinstance(newest, StdioTarget | HttpTarget)
        assert isinstance(older, StdioTarget | HttpTarget)
        assert (newest.handshake, older.handshake) == (False, True)


def test_a_relative_folder_is_seen_from_the_file_and_a_tilde_is_home() -> None:
    def cwd(written: str, base: Path | None) -> str | None:
        target = (
            parse_settings(f"upstreams.u = {{ command = 'x', cwd = '{written}' }}", base=base).upstreams["u"].target
        )
        assert isinstance(target, StdioTarget)
        return target.cwd

    assert cwd("a", Path("/etc")) == str(Path("/etc/a"))
    assert cwd("a", None) == "a"
    assert cwd("~/a", Path("/etc")) == str(Path.home() / "a")
    assert cwd("/a", Path("/etc")) == str(Path("/a"))


def test_a_home_folder_that_nobody_has_is_told() -> None:
    assert told("upstreams.u = { command = 'x', cwd = '~no-such-user/a' }") == [
        "1: upstreams.u.cwd: the home folder that ~ stands for is not known; write the path in full"
    ]


def test_an_upstream_is_in_exactly_one_place() -> None:
    assert "this upstream has no place" in told("[upstreams.u]\ntimeout = '1s'")[0]
    assert told("[upstreams.u]\nurl = 'http://x'\ncommand = 'x'") == [
        "2: upstreams.u.url: command is given too; an upstream has exactly one of command, url and http"
    ]


@pytest.mark.parametrize(
    ("place", "key", "owners"),
    [
        ("url = 'http://x'", "args = []", "command"),
        ("url = 'http://x'", "env = {}", "command"),
        ("http = 'http://x'", "cwd = '.'", "command"),
        ("command = 'x'", "headers = {}", "url or http"),
        ("http = 'http://x'", "transport = 'sse'", "url"),
        ("command = 'x'", "openapi = 'x.json'", "http"),
    ],
)
def test_a_key_beside_the_wrong_place_is_told_where_it_goes(place: str, key: str, owners: str) -> None:
    (line,) = told(f"[upstreams.u]\n{place}\n{key}")

    assert line.startswith(f"3: upstreams.u.{key.partition(' ')[0]}: this goes with {owners}, and the upstream has")


@pytest.mark.parametrize("command", ["", " ", "uvx orders-mcp", "uvx\torders-mcp"])
def test_a_command_is_one_program(command: str) -> None:
    (line,) = told(f'[upstreams.u]\ncommand = "{command}"'.replace("\t", "\\t"))

    assert "name the program to start" in line or "put the words after it into args" in line


def test_a_program_may_be_in_a_folder_with_spaces() -> None:
    target = one_upstream("command = 'C:\\Program Files\\x.exe'").target

    assert isinstance(target, StdioTarget)
    assert target.command == "C:\\Program Files\\x.exe"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://x",
        "https://",
        "http:/x",
        "http://x y",
        "http://x\\ny",
        "http://[::1",
        "http://x:99999",
        "http://:80",
    ],
)
def test_what_is_no_web_address_is_told(url: str) -> None:
    (line,) = told(f'[upstreams.u]\nurl = "{url}"')

    assert line == "2: upstreams.u.url: write an address that begins with http:// or https://, without spaces"


@pytest.mark.parametrize("value", ["a\\nb", "a\\r", "caf\\u00e9", "\\u0007"])
def test_a_header_that_could_not_be_sent_is_told(value: str) -> None:
    (line,) = told(f'[upstreams.u]\nurl = "http://x"\nheaders.K = "{value}"')

    assert line.startswith("3: upstreams.u.headers.K: a header holds ASCII text without line breaks")


@pytest.mark.parametrize("table", ["headers = { 'Authorization: Bearer' = '1' }", "headers = { '' = '1' }"])
def test_a_name_that_is_no_headers_is_told_without_the_name(table: str) -> None:
    (problem,) = refusal(f"[upstreams.u]\nurl = 'http://x'\n{table}").problems

    assert (problem.line, problem.where) == (3, "upstreams.u.headers")


@pytest.mark.parametrize("name", ["A=1", ""])
def test_a_name_that_is_no_variables_is_told_without_the_name(name: str) -> None:
    (problem,) = refusal(f"[upstreams.u]\ncommand = 'x'\nenv = {{ '{name}' = '1' }}").problems

    assert (problem.line, problem.where) == (3, "upstreams.u.env")


@pytest.mark.parametrize("line", ['command = "a\\u0000"', 'args = ["\\u0000"]', 'env.A = "\\u0000"', 'cwd = "\\u0000"'])
def test_a_nul_is_refused_before_a_program_is_started_with_it(line: str) -> None:
    command = "" if line.startswith("command") else "command = 'x'\n"
    (problem,) = refusal("[upstreams.u]\n" + command + line).problems

    assert "NUL" in problem.message


def test_plain_http_has_an_address_headers_and_a_query() -> None:
    text = "http = 'https://x/v1/'\nopenapi = 'x.json'\nheaders.A = 'b'\nquery = { key = '${K}' }\nallow_private = true"
    target = one_upstream(text, K="k").target

    assert target == EndpointsTarget(
        "https://x/v1/", {"A": "b"}, {"key": "k"}, openapi="x.json", allow_private=True, hidden=frozenset()
    )


def test_a_document_is_a_file_beside_the_config_or_an_address() -> None:
    def document(written: str) -> str | None:
        text = f"upstreams.u = {{ http = 'https://x', openapi = '{written}' }}"
        target = parse_settings(text, base=Path("/etc")).upstreams["u"].target
        assert isinstance(target, EndpointsTarget)
        return target.openapi

    assert document("a.json") == str(Path("/etc/a.json"))
    assert document("https://x/a.json") == "https://x/a.json"


def test_a_key_in_the_path_of_an_address_is_a_secret() -> None:
    target = one_upstream("http = 'https://x/v1/bot${K}/${V}'\nopenapi = 'x'", K="12345", V="a").target

    assert isinstance(target, EndpointsTarget)
    assert target.hidden == {"bot12345"}


def test_a_key_in_the_address_of_an_mcp_server_is_a_secret() -> None:
    target = one_upstream("url = 'https://x/${P}/mcp?profile=all&key=${K}'", P="p-67890", K="k-12345").target

    assert isinstance(target, HttpTarget)
    assert target.hidden == {"p-67890", "k-12345"}
    assert "12345" not in repr(target)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("x", "begins with http://"),
        ("https://u:p@x", "credentials do not stand in an address"),
        ("https://x?a=b", "put what follows the ? into query"),
        ("https://x/a/../b", "its path holds something"),
        ("https://x/%2e%2e", "its path holds something"),
        ("http://2130706433", "this host is a number"),
        ("http://0x7f.1", "this host is a number"),
        ("http://0177.0.0.1", "this host is a number"),
    ],
)
def test_an_address_that_would_not_be_plain_is_told(address: str, words: str) -> None:
    (line,) = told(f"[upstreams.u]\nhttp = '{address}'\nopenapi = 'x'")

    assert line.startswith("2: upstreams.u.http: ")
    assert words in line
