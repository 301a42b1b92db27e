"""Logins at a real authorization server, by a browser that does what it is told, and calls with what they bring."""

import asyncio
import logging
import stat
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from tests.server.http.inside import is_watcher
from tests.upstreams.authorizing import CLIENT_ID, CLIENT_SECRET, Authorizing, authorizing

from headgate.proxy.connection import CallFailedError, Connection, Opening
from headgate.proxy.http import http_opener
from headgate.proxy.oauth.bearer import Bearer, NoAccessError
from headgate.proxy.oauth.exchange import NotGrantedError
from headgate.proxy.oauth.login import Login
from headgate.proxy.oauth.transport import BearerTransport
from headgate.proxy.replica import reason_of
from headgate.proxy.sse import sse_opener
from headgate.proxy.target import HttpTarget, OAuthClient
from headgate.proxy.upstream import Upstream
from headgate.server.logins.log_in import log_in, open_browser
from headgate.server.logins.vault import Vault
from headgate.tools.rules import UpstreamRules


class Browser:
    """Goes where it is led, and follows redirects."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self.shown: list[str] = []
        self.first: Callable[[str], str] | None = None
        """What comes before the login, at the address to come back to."""

    def show(self, url: str) -> None:
        self.shown.append(url)
        task = asyncio.get_running_loop().create_task(self._go(url))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _go(self, url: str) -> None:
        async with httpx.AsyncClient(follow_redirects=True, timeout=5) as client:
            if self.first is not None:
                assert (await client.get(self.first(url))).status_code == 404
            await client.get(url)


@asynccontextmanager
async def logged_in(folder: Path) -> AsyncGenerator[tuple[Authorizing, Vault, HttpTarget]]:
    async with asyncio.timeout(20), authorizing() as there:
        target = HttpTarget(there.shop_url)
        vault = Vault("shop", target.url, folder)
        await log_in(target, vault, Browser().show)
        yield there, vault, target


@asynccontextmanager
async def opened(target: HttpTarget, vault: Vault) -> AsyncGenerator[Connection]:
    bearer = Bearer("shop", target, vault)
    async with http_opener(target, 8, bearer=bearer)(Opening("shop", lambda: None)) as connection:
        yield connection


async def look(connection: Connection, tag: str) -> Any:
    return (await connection.call_tool("look", {"tag": tag}))["structuredContent"]["tag"]


async def refusal_of(target: HttpTarget, vault: Vault) -> str:
    with pytest.raises(BaseException) as refused:  # noqa: PT011 - a group of whatever it is
        async with opened(target, vault):
            pass
    return reason_of(refused.value)


def kept_in(folder: Path) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.suffix != ".lock"]


def modes_in(folder: Path) -> tuple[int, set[int]]:
    """Of a folder and of the files in it."""
    modes = {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    return stat.S_IMODE(folder.stat().st_mode), modes


async def test_a_login_brings_what_calls_need(tmp_path: Path) -> None:
    async with logged_in(tmp_path) as (there, vault, target), opened(target, vault) as connection:
        assert await look(connection, "a") == "a"

    (query,) = there.queries
    assert query["code_challenge_method"] == "S256"
    assert query["redirect_uri"].startswith("http://127.0.0.1:")
    assert query["resource"] == target.url
    assert [form["grant_type"] for form in there.asked] == ["authorization_code"]


async def test_what_comes_back_for_another_login_is_passed_over(tmp_path: Path) -> None:
    browser = Browser()
    browser.first = lambda url: f"{httpx.URL(url).params['redirect_uri']}?code=stolen&state=forged"
    async with asyncio.timeout(20), authorizing() as there:
        target = HttpTarget(there.shop_url)
        login = await log_in(target, Vault("shop", target.url, tmp_path), browser.show)

    assert login.token in there.access


async def test_a_login_that_is_refused_says_so(tmp_path: Path) -> None:
    async with asyncio.timeout(20), authorizing() as there:
        there.refuses = "access_denied"
        target = HttpTarget(there.shop_url)
        with pytest.raises(NotGrantedError, match=r"the login was refused \(access_denied\)"):
            await log_in(target, Vault("shop", target.url, tmp_path), Browser().show)
        assert kept_in(tmp_path) == []


async def test_over_the_older_transport_logins_work_as_well(tmp_path: Path) -> None:
    async with asyncio.timeout(20), authorizing(sse=True) as there:
        target = HttpTarget(there.shop_url, transport="sse")
        vault = Vault("shop", target.url, tmp_path)
        await log_in(target, vault, Browser().show)
        opener = sse_opener(target, 8, bearer=Bearer("shop", target, vault))
        async with opener(Opening("shop", lambda: None)) as connection:
            there.expire_all()
            assert await look(connection, "a") == "a"
            there.revoke_all()
            with pytest.raises(NoAccessError) as refused:
                await look(connection, "b")
            assert await connection.closed() == str(refused.value) == "needs a login: run headgate auth login shop"
    for task in filter(is_watcher, asyncio.all_tasks()):
        task.cancel()


async def test_a_client_that_was_registered_beforehand_is_that_one_with_its_scope(tmp_path: Path) -> None:
    async with asyncio.timeout(20), authorizing() as there:
        oauth = OAuthClient(client_id=CLIENT_ID, scope="read write", issuer=there.url)
        target = HttpTarget(there.shop_url, oauth=oauth)
        await log_in(target, Vault("shop", target.url, tmp_path), Browser().show)

    assert there.clients == {}
    assert (there.queries[0]["client_id"], there.queries[0]["scope"]) == (CLIENT_ID, "read write")


async def test_a_login_is_kept_for_its_owner_alone_and_in_no_repr(tmp_path: Path) -> None:
    folder = tmp_path / "logins"
    async with logged_in(folder) as (there, vault, _):
        login = await vault.load()
    assert login is not None

    assert modes_in(folder) == (0o700, {0o600})
    for shown in (repr(login), str(login), repr(vault)):
        assert not [secret for secret in there.given if secret in shown]


async def test_a_login_for_another_address_counts_for_nothing(tmp_path: Path) -> None:
    async with logged_in(tmp_path) as (_, vault, target):
        elsewhere = Vault("shop", f"{target.url}2", tmp_path)
        elsewhere.file.write_bytes(vault.file.read_bytes())

        assert await elsewhere.load() is None


async def test_a_token_that_ends_is_renewed_once_for_all_calls_and_none_is_lost(tmp_path: Path) -> None:
    async with logged_in(tmp_path) as (there, vault, target), opened(target, vault) as connection:
        there.slow_s = 0.1
        for round_ in range(3):
            there.expire_all()
            tags = [f"{round_}-{number}" for number in range(20)]
            assert await asyncio.gather(*(look(connection, tag) for tag in tags)) == tags

    assert [form["grant_type"] for form in there.asked] == ["authorization_code", *["refresh_token"] * 3]
    assert len(there.calls) == len(set(there.calls)) == 60


async def test_a_token_is_renewed_before_its_end_and_one_that_does_not_rotate_is_kept(tmp_path: Path) -> None:
    async with logged_in(tmp_path) as (there, vault, target):
        there.rotates, there.lifetime_s = False, 5
        there.expire_all()
        async with opened(target, vault) as connection:
            await look(connection, "a")
            before = len(there.asked)
            there.turned_away = 0
            await look(connection, "b")

    assert len(there.asked) > before
    assert there.turned_away == 0


async def test_processes_that_share_a_login_do_not_use_its_refresh_token_twice(tmp_path: Path) -> None:
    async with logged_in(tmp_path) as (there, vault, target):
        other = Vault("shop", target.url, tmp_path)
        async with opened(target, vault) as one, opened(target, other) as two:
            there.slow_s = 0.1
            there.expire_all()
            assert await asyncio.gather(look(one, "1"), look(two, "2")) == ["1", "2"]

    assert len(there.asked) == 2


async def test_a_call_that_is_cancelled_does_not_take_the_renewed_token_with_it(tmp_path: Path) -> None:
    async with logged_in(tmp_path) as (there, vault, target), opened(target, vault) as connection:
        await look(connection, "before")
        there.slow_s = 0.4
        there.expire_all()
        call = asyncio.get_running_loop().create_task(look(connection, "left"))
        while len(there.asked) < 2:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # it may be somebody else's request that set out first: the call waits for it by now
        call.cancel()
        await asyncio.wait((call,))

        assert await look(connection, "next") == "next"
    assert len(there.asked) == 2


async def test_a_login_that_was_taken_back_says_what_to_do_and_nobody_is_asked_again(tmp_path: Path) -> None:
    async with logged_in(tmp_path) as (there, vault, target):
        async with opened(target, vault) as connection:
            there.revoke_all()
            with pytest.raises(NoAccessError) as refused:
                await look(connection, "a")
            assert await connection.closed() == str(refused.value)
        asked, heard = len(there.asked), len(there.heard)
        bearer = Bearer("shop", target, vault)
        for _ in range(3):
            with pytest.raises(BaseException) as again:  # noqa: PT011
                async with http_opener(target, 8, bearer=bearer)(Opening("shop", lambda: None)):
                    pass
            assert reason_of(again.value) == "needs a login: run headgate auth login shop"

    assert str(refused.value) == "needs a login: run headgate auth login shop"
    assert (refused.value.sent, refused.value.transient) == (False, False)
    assert len(there.asked) == asked + 1
    assert len(there.heard) <= heard + 2


async def test_while_the_authorization_server_is_down_nothing_is_forgotten(tmp_path: Path) -> None:
    async with logged_in(tmp_path) as (there, vault, target), opened(target, vault) as connection:
        there.down = True
        there.expire_all()
        with pytest.raises(CallFailedError) as failed:
            await look(connection, "a")
        there.down = False

        assert await look(connection, "b") == "b"
    assert str(failed.value) == "no new token: 127.0.0.1 answered with HTTP 503"
    assert (failed.value.sent, failed.value.transient) == (False, True)


async def test_an_upstream_without_a_login_has_failed_and_comes_up_by_itself_after_one(tmp_path: Path) -> None:
    async with asyncio.timeout(20), authorizing() as there:
        target, folder = HttpTarget(there.shop_url), tmp_path / "logins"
        vault = Vault("shop", target.url, folder)
        opener = http_opener(target, 8, bearer=Bearer("shop", target, vault))
        upstream = Upstream("shop", UpstreamRules(), opener, lambda: None)
        async with asyncio.TaskGroup() as tasks:
            owner = tasks.create_task(upstream.run())
            await upstream.settled()
            before = upstream.state
            assert kept_in(tmp_path) == []
            await log_in(target, vault, Browser().show)
            while upstream.state.state != "ready":  # noqa: ASYNC110 - its owner sleeps as well
                await asyncio.sleep(0.02)
            upstream.close()
            owner.cancel()

    assert (before.state, before.reason) == ("failed", "needs a login: run headgate auth login shop")


async def test_who_logs_out_is_out_while_headgate_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.proxy.oauth.bearer._LOOK_S", 0.0)
    async with logged_in(tmp_path) as (_, vault, target), opened(target, vault) as connection:
        assert vault.forget()
        with pytest.raises(NoAccessError, match="needs a login"):
            await look(connection, "a")

        assert not vault.forget()


async def test_client_credentials_are_used_without_anybodys_doing_and_anew_when_a_token_ends(tmp_path: Path) -> None:
    async with asyncio.timeout(20), authorizing() as there:
        oauth = OAuthClient("client_credentials", CLIENT_ID, CLIENT_SECRET, "read", there.url)
        target = HttpTarget(there.shop_url, oauth=oauth)
        async with opened(target, Vault("shop", target.url, tmp_path)) as connection:
            assert await look(connection, "a") == "a"
            there.expire_all()
            assert await look(connection, "b") == "b"

    assert [(form["grant_type"], form["scope"]) for form in there.asked] == [("client_credentials", "read")] * 2
    assert kept_in(tmp_path) == []


async def test_client_credentials_that_are_not_taken_say_so_without_themselves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with asyncio.timeout(20), authorizing() as there:
        oauth = OAuthClient("client_credentials", CLIENT_ID, "wrong-secret-77", None, there.url)
        target = HttpTarget(there.shop_url, oauth=oauth)
        reason = await refusal_of(target, Vault("shop", target.url, tmp_path))

    assert reason == "no token: 127.0.0.1 answered with HTTP 400, invalid_client"
    assert "wrong-secret-77" not in repr(target)
    assert "wrong-secret-77" not in "".join(logging.Formatter().format(record) for record in caplog.records)


async def test_a_client_secret_goes_to_its_own_issuer_only(tmp_path: Path) -> None:
    async with asyncio.timeout(20), authorizing() as there:
        oauth = OAuthClient("client_credentials", CLIENT_ID, CLIENT_SECRET, None, "https://login.example")
        target = HttpTarget(there.shop_url, oauth=oauth)
        reason = await refusal_of(target, Vault("shop", target.url, tmp_path))

    assert there.asked == []
    assert "issuer" in reason


@pytest.mark.parametrize("server", ["http://metadata.example", "ftp://x.example", "file:///etc/passwd"])
async def test_an_upstream_leads_to_no_authorization_server_without_https(server: str, tmp_path: Path) -> None:
    async with asyncio.timeout(20), authorizing() as there:
        there.prm_server = server
        target = HttpTarget(there.shop_url)
        browser = Browser()
        with pytest.raises(NotGrantedError):
            await log_in(target, Vault("shop", target.url, tmp_path), browser.show)

    assert browser.shown == []


async def test_a_write_is_not_in_doubt_because_an_authorization_server_hung_up(tmp_path: Path) -> None:
    async with logged_in(tmp_path) as (there, vault, target), opened(target, vault) as connection:
        there.expire_all()
        there.hangs_up = True
        with pytest.raises(CallFailedError) as failed:
            await look(connection, "a")

    assert str(failed.value).startswith("no token: the connection broke")
    assert (failed.value.sent, failed.value.transient) == (False, True)


async def test_a_token_goes_to_the_origin_that_it_is_for_and_nowhere_else(tmp_path: Path) -> None:
    heard: list[httpx.Request] = []

    def hear(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        return httpx.Response(200)

    async with logged_in(tmp_path) as (_, vault, target):
        transport = BearerTransport(httpx.MockTransport(hear), Bearer("shop", target, vault), target.url)
        async with httpx.AsyncClient(transport=transport) as client:
            answers = [await client.get(url) for url in (target.url, "http://127.0.0.1:9/mcp", "https://127.0.0.1/mcp")]

    assert ["authorization" in request.headers for request in heard] == [True, False, False]
    assert not any("authorization" in answer.request.headers for answer in answers), "nobody above sees it"


@pytest.mark.parametrize("url", ["file:///bin/sh", "javascript:alert(1)", "calc.exe", "-h", "a:$(calc)", "http://"])
def test_nothing_but_an_address_of_the_web_is_opened(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    assert not open_browser(url)
    assert opened == []


async def test_nothing_secret_is_logged_or_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    async with logged_in(tmp_path) as (there, vault, target), opened(target, vault) as connection:
        there.down = True
        there.expire_all()
        for revoke in (there.expire_all, there.revoke_all):
            revoke()
            with pytest.raises(CallFailedError) as failed:
                await look(connection, "a")
            told.append(f"{failed.value} {failed.value!r}")
            there.down = False

    lines = [logging.Formatter().format(record) for record in caplog.records]
    said = " ".join([*told, *(line for line in lines if "/callback?" not in line)])  # the browser, which logs as well
    assert [secret for secret in there.given if secret in said] == []


def test_a_login_that_is_damaged_says_what_to_do(tmp_path: Path) -> None:
    vault = Vault("shop", "https://shop.example/mcp", tmp_path)
    vault.file.write_text('{"url": "https://shop.example/mcp", "tokens": {"access_token": 5}}')

    async def load() -> Login | None:
        return await vault.load()

    with pytest.raises(Exception, match=r"it is damaged\): run headgate auth login shop"):
        asyncio.run(load())
