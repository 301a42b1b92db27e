"""The token with which a caller comes to headgate is for headgate: nobody behind it ever sees it."""

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.server.http.inside import Asking, serving
from tests.upstreams.authorizing import CLIENT_ID, CLIENT_SECRET, authorizing

from headgate.proxy.http import http_opener
from headgate.proxy.oauth.bearer import Bearer
from headgate.proxy.target import HttpTarget, OAuthClient
from headgate.server.http.tokens import hash_of
from headgate.server.logins.vault import Vault
from headgate.server.settings.serve import TenantSettings

CANARY = "hg_canary-9d1e77c2b4a04f0f9d1e77c2b4a04f0f"


def tenants(shown: str) -> Sequence[TenantSettings]:
    return [TenantSettings(shown, (bytes.fromhex(hash_of(CANARY).removeprefix("sha256:")),))] if shown else []


@pytest.mark.parametrize("tenant", ["alice", ""], ids=["a tenant's token", "a token that nobody asked for"])
async def test_the_callers_token_reaches_no_upstream_no_log_and_no_error(
    tenant: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answers: list[object] = []
    async with asyncio.timeout(30), authorizing() as there:
        own = HttpTarget(
            there.shop_url, oauth=OAuthClient("client_credentials", CLIENT_ID, CLIENT_SECRET, "", there.url)
        )
        locked = HttpTarget(there.shop_url, {"X-Caller": "headgate"})
        targets = {"own": own, "locked": locked, "fixed": HttpTarget(there.shop_url, {"Authorization": "Bearer fixed"})}
        openers = {
            name: http_opener(target, 4, bearer=Bearer(name, target, Vault(name, target.url, tmp_path)))
            for name, target in targets.items()
            if name != "fixed"
        } | {"fixed": http_opener(targets["fixed"], 4)}
        async with serving(*tenants(tenant), upstreams=openers) as inside:
            await inside.gate.settled(5)
            asking = Asking(inside, CANARY)
            answers += [await asking.tool(f"{name}__look", tag=name) for name in openers]
            calls = [{"id": name, "tool": f"{name}__look", "arguments": {"tag": name}} for name in openers]
            answers.append(await asking.tool("batch_call", calls=calls))
            answers += [upstream.reason for upstream in inside.gate.upstreams()]

    said = json.dumps(answers)
    assert there.calls == ["own", "own"]
    assert "needs a login: run headgate auth login locked" in said
    assert len(there.heard) > 4
    assert CANARY not in json.dumps([*there.heard, *there.asked])
    assert CANARY not in said
    assert CANARY not in "".join(logging.Formatter().format(record) for record in caplog.records)
