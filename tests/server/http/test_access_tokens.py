"""Tokens of an authorization server: what it signed, for us, that is good right now, and nothing else."""

import time
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import httpx2 as httpx
import jwt
import pytest
from tests.server.gates import look
from tests.server.http.inside import Asking, serving
from tests.server.http.issuer import RESOURCE, Issuer, issuing
from tests.server.processes import request

from headgate.server.http import signing_keys
from headgate.server.settings.serve import Allowed, OAuthSettings, ServeSettings, TenantSettings

LIST = request(1, "tools/list", {})


@pytest.fixture
def issuer() -> Generator[Issuer]:
    with issuing() as one:
        yield one


def trusting(issuer: Issuer, **more: Any) -> ServeSettings:
    return ServeSettings(oauth=replace(OAuthSettings(issuer.url, RESOURCE, RESOURCE), **more))


async def status_of(issuer: Issuer, token: str, **more: Any) -> int:
    async with serving(serve=trusting(issuer, **more)) as inside:
        return (await Asking(inside, token).post(LIST)).status_code


async def test_a_token_in_order_is_served_and_the_keys_are_fetched_once(issuer: Issuer) -> None:
    async with serving(serve=trusting(issuer)) as inside:
        statuses = [(await Asking(inside, issuer.token()).post(LIST)).status_code for _ in range(3)]

    assert statuses == [200] * 3
    assert issuer.asked == ["/.well-known/oauth-authorization-server", "/keys"]


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": time.time() - 3600},
        {"exp": None},
        {"nbf": time.time() + 3600},
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "https://other.example/mcp"},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
    ],
    ids=str,
)
async def test_a_token_that_is_not_good_is_none(issuer: Issuer, claims: dict[str, Any]) -> None:
    assert await status_of(issuer, issuer.token(**claims)) == 401


async def test_a_token_that_nobody_or_somebody_else_signed_is_none(issuer: Issuer) -> None:
    claims = {"iss": issuer.url, "aud": RESOURCE, "sub": "anna", "exp": time.time() + 60}
    unsigned = jwt.encode(claims, "", "none", {"kid": "one"})
    shared = jwt.encode(claims, "k" * 64, "HS256", {"kid": "one"})
    with issuing() as other:
        foreign = other.token(iss=issuer.url)
    tampered = issuer.token()[:-4] + "AAAA"

    async with serving(serve=trusting(issuer)) as inside:
        for token in (unsigned, shared, foreign, tampered, "a.b.c", "..", "x" * 20_000):
            assert (await Asking(inside, token).post(LIST)).status_code == 401


async def test_new_keys_are_found_out_and_made_up_ones_do_not_have_us_ask_each_time(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(serve=trusting(issuer)) as inside:
        assert (await Asking(inside, issuer.token()).post(LIST)).status_code == 200
        issuer.add_key("two")
        for _ in range(5):
            assert (await Asking(inside, issuer.token("two")).post(LIST)).status_code == 401
        assert issuer.asked.count("/keys") == 1

        monkeypatch.setattr(signing_keys, "SOONEST_S", 0.0)
        assert (await Asking(inside, issuer.token("two")).post(LIST)).status_code == 200


async def test_scopes_that_are_asked_for_have_to_be_there(issuer: Issuer) -> None:
    assert await status_of(issuer, issuer.token(scope="read"), scopes=("headgate",)) == 403
    assert await status_of(issuer, issuer.token(scope="read headgate"), scopes=("headgate",)) == 200
    assert await status_of(issuer, issuer.token(scp=["headgate"]), scopes=("headgate",)) == 200


async def test_a_client_finds_out_where_tokens_come_from(issuer: Issuer) -> None:
    async with serving(serve=trusting(issuer, scopes=("headgate",))) as inside:
        refused = await Asking(inside).post(LIST)
        async with httpx.AsyncClient() as client:
            told = (await client.get(f"{inside.base}/.well-known/oauth-protected-resource/mcp")).json()

    place = 'resource_metadata="https://gate.example/.well-known/oauth-protected-resource/mcp"'
    assert (refused.status_code, place in refused.headers["www-authenticate"]) == (401, True)
    assert told["resource"] == RESOURCE
    assert [server.rstrip("/") for server in told["authorization_servers"]] == [issuer.url]
    assert told["scopes_supported"] == ["headgate"]


async def test_subjects_are_strangers_to_each_other_and_to_another_client_of_theirs(issuer: Issuer) -> None:
    async with serving(serve=trusting(issuer)) as inside:
        anna = Asking(inside, issuer.token())
        batch = (await anna.tool("batch_call", calls=[look("a")]))["structuredContent"]
        seen = {
            who: (await Asking(inside, token).tool("get_result", batch_id=batch["batch_id"])).get("isError", False)
            for who, token in {
                "anna again": issuer.token(exp=time.time() + 90),
                "anna elsewhere": issuer.token(client_id="phone"),
                "bert": issuer.token(sub="bert"),
            }.items()
        }

    assert seen == {"anna again": False, "anna elsewhere": True, "bert": True}


async def test_a_subject_that_a_tenant_is_known_by_is_that_tenant(issuer: Issuer) -> None:
    tenant = TenantSettings("support", subjects=("anna",), allowed=Allowed(("shop__look",)))
    async with serving(tenant, serve=trusting(issuer, allowed=None)) as inside:
        anna = await Asking(inside, issuer.token()).ask(LIST)
        bert = await Asking(inside, issuer.token(sub="bert")).post(LIST)

    assert {tool["name"] for tool in anna["result"]["tools"] if "__" in tool["name"]} == {"shop__look"}
    assert bert.status_code == 401


async def test_with_the_authorization_server_down_nobody_gets_in_and_we_stay_up(issuer: Issuer) -> None:
    token = issuer.token()
    async with serving(serve=trusting(issuer, jwks="http://127.0.0.1:9/keys")) as inside:
        assert (await Asking(inside, token).post(LIST)).status_code == 401
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{inside.base}/healthz")).status_code == 200
