"""Secrets are kept back, and nothing else is."""

import pytest

from headgate.proxy.target import HttpTarget, StdioTarget
from headgate.server.clients.withheld import Withheld, is_secret


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GITHUB_TOKEN", "abc"),
        ("githubToken", "abc"),
        ("OPENAI_APIKEY", "abc"),
        ("API_KEY", "abc"),
        ("DB_PASSWORD", "abc"),
        ("Authorization", "abc"),
        ("X-Api-Key", "abc"),
        ("AWS_SECRET_ACCESS_KEY", "abc"),
        ("ANYTHING", "ghp_0123456789abcdef0123"),
        ("", "sk-proj-0123456789abcdef"),
    ],
)
def test_a_secret_is_known_by_its_name_or_its_looks(name: str, value: str) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "debug"),
        ("MAX_TOKENS", "4096"),
        ("TOKEN_LIMIT", "100"),
        ("SSH_KEY_PATH", "/home/ada/.ssh/id"),
        ("USE_AUTH", "true"),
        ("API_KEY", "${API_KEY}"),
        ("API_KEY", ""),
        ("AUTHOR", "Ada"),
        ("KEYBOARD", "us"),
        ("", "-y"),
    ],
)
def test_what_is_no_secret_stays(name: str, value: str) -> None:
    assert not is_secret(name, value)


def args(*given: str) -> tuple[str, ...]:
    target = Withheld().without("shop", StdioTarget("run", given))
    assert isinstance(target, StdioTarget)
    return target.args


def test_a_secret_in_the_environment_goes_under_its_own_name() -> None:
    target = StdioTarget("run", env={"TOKEN": "abc", "REGION": "eu"})
    assert Withheld().without("shop", target) == StdioTarget("run", env={"TOKEN": "${TOKEN}", "REGION": "eu"})


def test_a_secret_among_the_arguments_goes_under_the_server_s_name() -> None:
    assert args("--api-key", "abc", "--verbose", "--token=def", "-e", "MY_SECRET=ghi") == (
        "--api-key",
        "${SHOP_API_KEY}",
        "--verbose",
        "--token=${SHOP_TOKEN}",
        "-e",
        "MY_SECRET=${SHOP_MY_SECRET}",
    )
    assert args("mcp-remote", "--header", "Authorization: Bearer abc") == (
        "mcp-remote",
        "--header",
        "Authorization: Bearer ${SHOP_TOKEN}",
    )
    assert args("--key", "--next") == ("--key", "--next")


def test_an_address_keeps_its_shape_without_its_secrets() -> None:
    assert args("postgresql://ada:hunter22@db/orders?sslmode=on") == (
        "postgresql://ada:${SHOP_PASSWORD}@db/orders?sslmode=on",
    )
    assert args("--url=https://x/mcp?api_key=abc&region=eu") == (
        "--url=https://x/mcp?api_key=${SHOP_API_KEY}&region=eu",
    )
    url = "https://mcp.example/s/Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZmdo/mcp"
    assert Withheld().without("zap", HttpTarget(url)) == HttpTarget("https://mcp.example/s/${ZAP_URL_KEY}/mcp")
    assert args("http://[broken") == ("http://[broken",)


def test_a_header_keeps_its_scheme() -> None:
    target = HttpTarget("https://x/mcp", {"Authorization": "Bearer abc", "X-Api-Key": "def", "Accept": "text/plain"})
    assert Withheld().without("my-shop", target) == HttpTarget(
        "https://x/mcp",
        {"Authorization": "Bearer ${MY_SHOP_TOKEN}", "X-Api-Key": "${MY_SHOP_X_API_KEY}", "Accept": "text/plain"},
    )


def test_one_variable_stands_for_one_value() -> None:
    withheld = Withheld()
    first = withheld.without("a", StdioTarget("run", env={"TOKEN": "one"}))
    same = withheld.without("b", StdioTarget("run", env={"TOKEN": "one"}))
    other = withheld.without("c", StdioTarget("run", env={"TOKEN": "two"}))
    assert first == same == StdioTarget("run", env={"TOKEN": "${TOKEN}"})
    assert other == StdioTarget("run", env={"TOKEN": "${C_TOKEN}"})
    assert withheld.values == {"TOKEN": "one", "C_TOKEN": "two"}
    assert "one" not in repr(withheld)
