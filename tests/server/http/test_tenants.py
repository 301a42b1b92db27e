"""Several tenants at one server: each shows its token, and sees what is its own."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from tests.server.gates import look, pay
from tests.server.http.inside import Asking, serving
from tests.server.processes import request

from headgate.server.http.tokens import hash_of, new_token
from headgate.server.settings.serve import Allowed, TenantSettings
from headgate.tools.batch import Call
from headgate.tools.recipe import Recipe
from headgate.tools.rules import Rate

TOKENS = {name: new_token() for name in ("alice", "bob", "carol")}
ALICE, BOB, CAROL = TOKENS.values()


def tenant(name: str, *tools: str, rate: Rate | None = None) -> TenantSettings:
    digest = bytes.fromhex(hash_of(TOKENS[name]).removeprefix("sha256:"))
    return TenantSettings(name, (digest,), allowed=Allowed(tools, rate))


@pytest.mark.parametrize("token", ["", "wrong", ALICE[:-1], ALICE + "x", hash_of(ALICE), "x" * 9_000])
async def test_without_a_token_that_is_known_there_is_no_service(token: str) -> None:
    async with serving(tenant("alice")) as inside:
        none = await Asking(inside).post(request(1, "tools/list", {}))
        wrong = await Asking(inside).post(request(1, "tools/list", {}), authorization=f"Bearer {token}".strip())

    for response in (none, wrong):
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer ")


async def test_a_body_is_not_read_of_whoever_shows_no_token() -> None:
    async with serving(tenant("alice")) as inside:
        response = await Asking(inside).post(request(1, "ping", {"x": "x" * 5_000_000}))

    assert response.status_code == 401


async def test_another_tenants_batch_id_looks_like_one_that_there_never_was() -> None:
    async with serving(tenant("alice"), tenant("bob")) as inside:
        alice, bob = Asking(inside, ALICE), Asking(inside, BOB)
        batch_id = (await alice.tool("batch_call", calls=[pay("w")]))["structuredContent"]["batch_id"]
        mine = await alice.tool("get_result", batch_id=batch_id)
        theirs = await bob.tool("get_result", batch_id=batch_id)
        part = await bob.tool("get_result", batch_id=batch_id, id="w")
        nobodys = await bob.tool("get_result", batch_id="b_0")

    assert mine["structuredContent"]["results"][0]["data"] == {"tag": "w"}
    assert theirs["isError"] is part["isError"] is True
    assert theirs == json.loads(json.dumps(nobodys).replace("b_0", batch_id))


async def test_a_tenant_has_its_own_tools_and_for_it_there_are_no_others() -> None:
    async with serving(tenant("bob", "shop__lo*")) as inside:
        bob = Asking(inside, BOB)
        listed = (await bob.ask(request(1, "tools/list", {})))["result"]["tools"]
        found = (await bob.tool("find_tools"))["structuredContent"]

    assert {tool["name"] for tool in listed} == {"batch_call", "batch_read", "find_tools", "get_result", "shop__look"}
    assert ([tool["name"] for tool in found["tools"]], found["of"]) == (["shop__look"], 1)


@pytest.mark.parametrize("name", ["shop__pay", "shop.pay", "pay"])
async def test_a_tool_of_others_cannot_be_called_by_any_name(name: str) -> None:
    async with serving(tenant("bob", "shop__lo*")) as inside:
        bob = Asking(inside, BOB)
        batch = (await bob.tool("batch_call", calls=[{**pay("w"), "tool": name}]))["structuredContent"]
        alone = await bob.tool(name, tag="alone")

    assert batch["results"][0]["error_code"] == "UNKNOWN_TOOL"
    assert alone["content"][0]["text"].startswith("UNKNOWN_TOOL")
    assert inside.shop.events == []


async def test_an_upstream_of_others_is_not_told_of() -> None:
    async with serving(tenant("bob", "other__*")) as inside:
        bob = Asking(inside, BOB)
        found = (await bob.tool("find_tools"))["structuredContent"]
        alone = await bob.tool("shop__pay")

    assert found == {"tools": [], "of": 0}
    assert '"shop"' not in alone["content"][0]["text"]


RECIPES = {
    "both": Recipe("both", "", {}, (Call("shop__look", {}, "l"), Call("shop__pay", {}, "p"))),
}


async def test_a_recipe_is_there_for_those_whose_tools_it_is_among() -> None:
    tenants = tenant("alice", "both", "shop__*"), tenant("bob", "both", "shop__look"), tenant("carol", "shop__*")
    async with serving(*tenants, settings={"recipes": RECIPES}) as inside:
        whole = await Asking(inside, ALICE).tool("both")
        part = await Asking(inside, BOB).tool("both")
        none = await Asking(inside, CAROL).tool("both")
        within = await Asking(inside, CAROL).tool("batch_call", calls=[{"tool": "both"}])

    assert whole["structuredContent"]["outcome"] == "ok"
    assert [result["status"] for result in part["structuredContent"]["results"]] == ["ok", "error"]
    assert none["content"][0]["text"].startswith("UNKNOWN_TOOL")
    assert within["structuredContent"]["results"][0]["error_code"] == "UNKNOWN_TOOL"


async def test_a_tenants_calls_keep_to_its_rate_and_hold_up_nobody_else() -> None:
    calls = [look(f"c{number}") for number in range(5)]
    async with serving(tenant("alice"), tenant("carol", rate=Rate(10, 1.0, 1))) as inside:
        both = (Asking(inside, one).tool("batch_call", calls=calls) for one in (CAROL, ALICE))
        paced, free = await asyncio.gather(*both)

    assert paced["structuredContent"]["duration_ms"] >= 390
    assert free["structuredContent"]["duration_ms"] < 390
    assert paced["structuredContent"]["counts"] == free["structuredContent"]["counts"] == {"ok": 5}


async def test_identical_reads_of_two_tenants_are_two_calls() -> None:
    async with serving(tenant("alice"), tenant("bob")) as inside:
        same: dict[str, Any] = {"calls": [look("same", 0.2)]}
        await asyncio.gather(*(Asking(inside, one).tool("batch_call", **same) for one in (ALICE, ALICE, BOB)))

    assert inside.shop.events.count("same starts") == 2


async def test_a_token_that_is_taken_back_while_we_serve_is_good_no_more_and_a_new_one_is() -> None:
    async with serving(tenant("alice"), tenant("carol", rate=Rate(1, 60.0, 1))) as inside:
        settings, listing = inside.gate.settings, request(1, "tools/list", {})
        await Asking(inside, CAROL).tool("shop__look", tag="first")
        inside.gate.settings = replace(settings, tenants={"carol": settings.tenants["carol"], "bob": tenant("bob")})
        statuses = [(await Asking(inside, one).post(listing)).status_code for one in (ALICE, BOB, CAROL)]
        late = await Asking(inside, CAROL).tool("batch_call", calls=[look("second")], timeout_s=1)

    assert statuses == [401, 200, 200]
    assert late["structuredContent"]["results"][0]["error_code"] == "RATE_LIMITED"  # its rate has not begun anew


async def test_a_tenant_whose_tools_are_others_now_is_not_given_its_tokens_again() -> None:
    a_minute = Rate(1, 60.0, 1)
    async with serving(tenant("carol", rate=a_minute)) as inside:
        await Asking(inside, CAROL).tool("shop__look", tag="first")
        inside.gate.settings = replace(
            inside.gate.settings, tenants={"carol": tenant("carol", "shop__*", rate=a_minute)}
        )
        late = await Asking(inside, CAROL).tool("batch_call", calls=[look("second")], timeout_s=1)

    assert late["structuredContent"]["results"][0]["error_code"] == "RATE_LIMITED"
