"""`headgate token`, and what `headgate serve --http` wants to know before it starts."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.config import write_config
from tests.server.processes import WAIT_S

from headgate.server.http.tokens import hash_of

TENANTS = {"tenants": {"a": {"tokens": [hash_of("hg_x")]}}}
REFUSAL = "no token, no service: 'headgate token' makes a token and the lines for headgate.toml"
AGAIN = "headgate serve --http 127.0.0.1:8000 --no-auth"


def headgate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headgate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)


def test_a_token_is_printed_alone_and_the_lines_that_let_it_in_beside_it() -> None:
    done = headgate("token", "desk")

    token = done.stdout.strip()
    assert tomllib.loads(done.stderr) == {"tenants": {"desk": {"tokens": [hash_of(token)]}}}
    assert token.startswith("hg_")
    assert len(token) > 40


def test_no_two_tokens_are_alike() -> None:
    made = [json.loads(headgate("token", "--json").stdout) for _ in range(2)]

    assert [one["tenant"] for one in made] == ["default", "default"]
    assert made[0]["token"] != made[1]["token"]
    assert [one["hash"] for one in made] == [hash_of(one["token"]) for one in made]


@pytest.mark.parametrize(
    ("arguments", "tables", "told"),
    [
        (("127.0.0.1:8000",), {}, f"{REFUSAL}, or for this machine's programs alone: {AGAIN}"),
        (("0.0.0.0:8000",), {}, REFUSAL),
        (("0.0.0.0:8000", "--no-auth"), {}, "--no-auth is for loopback addresses alone, and 0.0.0.0 can be reached"),
        (("gate.example:8000", "--no-auth"), {}, "--no-auth is for loopback addresses alone"),
        (("127.0.0.1:8000", "--no-auth"), TENANTS, "--no-auth is not for a config that has [tenants]"),
    ],
)  # fmt: skip
def test_without_tokens_it_starts_on_loopback_and_only_if_told_so(
    tmp_path: Path, arguments: tuple[str, ...], tables: dict[str, dict[str, object]], told: str
) -> None:
    config = write_config(tmp_path, {}, **tables)
    done = headgate("serve", "--config", str(config), "--http", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"headgate: {told}")
