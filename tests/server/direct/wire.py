"""The client's end of a line to headgate."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mcp_types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY
from tests.server.gates import Shop, gate_with, served
from tests.server.processes import INITIALIZE, INITIALIZED, request

from headgate.server.lines import LineSource, source_of
from headgate.server.mcp_server import mcp_server
from headgate.tools.rules import UpstreamRules

LIMIT_S = 20
ENVELOPE = {
    PROTOCOL_VERSION_META_KEY: "2026-07-28",
    CLIENT_INFO_META_KEY: {"name": "lines", "version": "1"},
    CLIENT_CAPABILITIES_META_KEY: {},
}

ASKABLE: dict[str, Any] = {**ENVELOPE, CLIENT_CAPABILITIES_META_KEY: {"elicitation": {}}}


class Wire:
    """The client's end, in lines."""

    def __init__(self, source: LineSource, requests: int, envelope: Mapping[str, Any] | None = None) -> None:
        self._source = source
        self._requests = requests
        self._envelope = envelope
        """Of the newer era, what goes with each request that says nothing else."""

    def send(self, *messages: Mapping[str, Any]) -> None:
        os.write(self._requests, b"".join(json.dumps(self._whole(message)).encode() + b"\n" for message in messages))

    def _whole(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._envelope is None or "id" not in message or "_meta" in message["params"]:
            return message
        return {**message, "params": {**message["params"], "_meta": self._envelope}}

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(LIMIT_S):
            line = await self._source.next_line()
        assert line is not None, "it closed the line"
        return json.loads(line)

    async def answer(self) -> dict[str, Any]:
        while "id" not in (message := await self.receive()):
            pass
        return message

    async def ask(self, *messages: Mapping[str, Any]) -> dict[str, Any]:
        self.send(*messages)
        return await self.answer()


@asynccontextmanager
async def wired(
    shop: Shop,
    rules: UpstreamRules | None = None,
    *,
    direct: bool = True,
    envelope: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncGenerator[Wire]:
    """A client that has shaken hands, or is of the newer era if it has an `envelope`.

    Unless `direct`, all that it asks goes through the SDK's loop.
    """
    async with gate_with(shop=shop, rules=rules, **settings) as gate:
        server, _ = mcp_server(gate)
        if not direct:
            server.front = None
        async with served(server) as (answers, requests):
            source = await source_of(answers)
            wire = Wire(source, requests, envelope)
            try:
                if envelope is None:
                    await wire.ask(request("hello", "initialize", INITIALIZE))
                    await wire.ask(INITIALIZED, request("up", "ping", {}))
                else:
                    await wire.ask(request("up", "tools/list", {"_meta": ENVELOPE}))
                yield wire
            finally:
                os.close(requests)
                source.close()
