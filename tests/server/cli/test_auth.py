"""`headgate auth`, as a person at a terminal uses it."""

import asyncio
import json
import re
import sys
from pathlib import Path

import httpx2 as httpx
from tests.config import write_config
from tests.server.cli.desk import Desk
from tests.upstreams.authorizing import Authorizing, authorizing

LIMIT_S = 30


async def run(config: Path, *argv: str, browse: bool = False) -> tuple[int, str, str]:
    """Run `headgate auth`, and go where it leads."""
    command = [sys.executable, "-m", "headgate", "--config", str(config), "auth", *argv]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    assert process.stderr is not None
    said, url = "", None
    async with asyncio.timeout(LIMIT_S):
        while browse and url is None:
            line = await process.stderr.readline()
            assert line, said
            said += line.decode()
            url = re.search(r"\n  (http\S+)\n", said)
        if url is not None:
            async with httpx.AsyncClient(follow_redirects=True, timeout=5) as client:
                assert "You can close this window" in (await client.get(url[1])).text
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), said + err.decode()


def configured(folder: Path, there: Authorizing) -> Path:
    return write_config(folder, {"shop": {"url": there.shop_url}, "local": {"command": "x"}})


async def test_a_login_its_state_calls_and_a_logout(tmp_path: Path) -> None:
    async with authorizing() as there:
        config = configured(tmp_path, there)
        before = await run(config, "status", "--json")
        came = await run(config, "login", "shop", "--no-browser", browse=True)
        state = await run(config, "status", "--json")
        left = await run(config, "logout", "shop")
        again = await run(config, "logout", "shop")

    assert json.loads(before[1])["upstreams"][0]["state"] == "not logged in"
    assert came[0] == 0
    assert came[1].startswith("Logged in at shop. What was granted is kept in ")
    (shop,) = json.loads(state[1])["upstreams"]
    assert (shop["state"], shop["kept_in"]) == ("logged in; the token is renewed when it ends", "file")
    assert (left[1], again[1]) == ("Logged out at shop.\n", "There was no login at shop.\n")
    everything = "".join(part for run_ in (before, came, state, left, again) for part in run_[1:])
    assert [secret for secret in there.given if secret in everything] == []


async def test_a_login_that_comes_to_nothing_says_why(tmp_path: Path) -> None:
    async with authorizing() as there:
        there.refuses = "access_denied"
        code, _, err = await run(configured(tmp_path, there), "login", "shop", "--no-browser", browse=True)

    assert code == 2
    assert err.splitlines()[-1] == "headgate: no login at shop: the login was refused (access_denied)"


def test_where_nobody_can_log_in_is_told(desk: Desk) -> None:
    text = "[upstreams.a]\ncommand = 'x'\n[upstreams.b]\nurl = 'https://b.example'\nheaders.Authorization = 'Basic x'\n"
    known = "client_id = 'c', client_secret = 's', issuer = 'https://login.example'"
    desk.writes(
        desk.project / "headgate.toml", f"{text}[upstreams.c]\nurl = 'https://c.example'\noauth = {{ {known} }}"
    )

    told = {name: desk.run("auth", "login", name).err for name in ("a", "b", "c", "d")}

    assert "a is not at a url" in told["a"]
    assert "b has an Authorization header in headgate.toml" in told["b"]
    assert "c has client credentials: headgate gets its tokens by itself" in told["c"]
    assert "there is no server 'd' in headgate.toml; there are: a, b, c" in told["d"]
    assert [line.split("\t")[:2] for line in desk.run("auth", "status").out.splitlines()] == [
        ["b", "header"],
        ["c", "client credentials"],
    ]
