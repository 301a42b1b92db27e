"""headgate over HTTP on a free loopback port, inside the test: a real socket, and upstreams in memory."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
from tests.server.gates import Shop
from tests.server.http.served import ACCEPT
from tests.server.processes import WAIT_S, call

from headgate.proxy.connection import Open
from headgate.server.gate import Gate
from headgate.server.http.server import HttpServer
from headgate.server.opening import gate_over
from headgate.server.settings import HeadgateSettings, Settings
from headgate.server.settings.serve import ServeSettings, TenantSettings
from headgate.tools.rules import UpstreamRules


@dataclass(slots=True)
class Inside:
    """The server, and everything behind it."""

    url: str
    gate: Gate
    server: HttpServer
    shop: Shop

    @property
    def base(self) -> str:
        return self.url.removesuffix("/mcp")

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self.server._server.server_state.connections)  # pyright: ignore[reportPrivateUsage]

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.base.removeprefix("http://").rpartition(":")
        return host, int(port)


@asynccontextmanager
async def serving(
    *tenants: TenantSettings,
    serve: ServeSettings | None = None,
    upstreams: Mapping[str, Open] | None = None,
    settings: Mapping[str, Any] | None = None,
    shop: Shop | None = None,
    within_s: float = WAIT_S * 2,
) -> AsyncGenerator[Inside]:
    """One that serves a shop, without auth where there is no tenant; all is over when the block ends."""
    shop = shop or Shop()
    openers = {"shop": shop.open} if upstreams is None else upstreams
    serve = serve or ServeSettings(no_auth=not tenants)
    told = Settings(
        HeadgateSettings(), {}, serve=serve, tenants={tenant.name: tenant for tenant in tenants}, **(settings or {})
    )
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            async with gate_over(told, {name: (UpstreamRules(), opener) for name, opener in openers.items()}) as gate:
                if upstreams is None:
                    await gate.settled(5)
                server = HttpServer(gate, listener, no_auth=serve.no_auth)
                async with asyncio.timeout(within_s), asyncio.TaskGroup() as tasks:
                    tasks.create_task(server.serve())
                    try:
                        yield Inside(server.url, gate, server, shop)
                    finally:
                        server.stop()
    finally:
        _end_watcher()


def is_watcher(task: asyncio.Task[Any]) -> bool:
    """Whether it is the one task that the SSE library keeps for each event loop, and has no way to end."""
    return getattr(task.get_coro(), "__name__", "") == "_shutdown_watcher"


def _end_watcher() -> None:
    for task in filter(is_watcher, asyncio.all_tasks()):
        task.cancel()


class Asking:
    """A client, with a token or without. The connection of each request is its own."""

    def __init__(self, inside: Inside, token: str | None = None) -> None:
        self._headers = ACCEPT | ({} if token is None else {"authorization": f"Bearer {token}"})
        self._url = inside.url

    async def post(self, message: Mapping[str, Any], **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(timeout=WAIT_S) as client:
            return await client.post(self._url, json=message, headers=self._headers | headers)

    async def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return answer_in(await self.post(message))

    async def tool(self, name: str, **arguments: Any) -> dict[str, Any]:
        return (await self.ask(call(1, name, **arguments)))["result"]


def answer_in(response: httpx.Response) -> dict[str, Any]:
    """The answer in a response, which is a stream of one event or plain JSON."""
    if response.headers["content-type"].startswith("application/json"):
        return response.json()
    (line,) = [line for line in response.text.splitlines() if line.startswith("data: {")]
    return json.loads(line.removeprefix("data: "))
