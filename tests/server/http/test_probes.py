"""What an orchestrator asks."""

import httpx2 as httpx
import pytest
from tests.server.gates import Shop, never_up
from tests.server.http.inside import Inside, serving
from tests.server.http.test_tenants import tenant


async def probed(inside: Inside, path: str) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.get(inside.base + path, headers={"host": "10.0.0.7:8080"})).status_code


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_who_asks_needs_neither_a_token_nor_our_name(path: str) -> None:
    async with serving(tenant("alice")) as inside:
        assert await probed(inside, path) == 200


async def test_it_is_up_at_once_and_ready_once_one_upstream_is() -> None:
    async with serving(upstreams={"never": never_up}) as inside:
        assert (await probed(inside, "/healthz"), await probed(inside, "/readyz")) == (200, 503)
    async with serving(upstreams={"never": never_up, "shop": Shop().open}) as inside:
        while not inside.gate.catalogue().tools:
            await inside.gate.settled(0.05)
        assert await probed(inside, "/readyz") == 200


async def test_without_upstreams_it_is_ready() -> None:
    async with serving(upstreams={}) as inside:
        assert await probed(inside, "/readyz") == 200
