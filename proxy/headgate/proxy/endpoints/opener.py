"""An upstream of plain HTTP endpoints, behind the seam that every upstream is behind."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from headgate.proxy.connection import CallFailedError, Connection, Open, Opening
from headgate.proxy.endpoints.address import Base
from headgate.proxy.endpoints.answer import result_of
from headgate.proxy.endpoints.client import Client, client_for
from headgate.proxy.endpoints.dialing import Resolve, resolve
from headgate.proxy.endpoints.endpoint import Endpoint
from headgate.proxy.endpoints.request import prepared
from headgate.proxy.endpoints.style import BadArgumentError
from headgate.proxy.endpoints.vetting import reach_of
from headgate.proxy.redact import secrets_in
from headgate.proxy.target import EndpointsTarget

USER_AGENT = "headgate"


def endpoints_opener(target: EndpointsTarget, concurrency: int, resolver: Resolve = resolve) -> Open:
    """An opener for the endpoints of `target`, with a connection for each of `concurrency` calls.

    Opening asks the server nothing: one that is down is found out about by the calls.
    """

    @asynccontextmanager
    async def open_session(_opening: Opening) -> AsyncGenerator[Connection]:
        base = Base.of(target.address)
        headers = {"user-agent": USER_AGENT, **target.headers}
        reach = reach_of(base, allow_private=target.allow_private)
        async with client_for(base, headers, reach, concurrency=concurrency, resolver=resolver) as client:
            endpoints = {endpoint.name: endpoint for endpoint in target.endpoints}
            secrets = secrets_in(target.headers) | secrets_in(target.query) | target.hidden
            yield EndpointsConnection(client, endpoints, target.query, secrets)

    return open_session


@dataclass(frozen=True, slots=True)
class EndpointsConnection:
    """Endpoints by their names, and the client that calls them."""

    client: Client
    endpoints: Mapping[str, Endpoint]
    query: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """What stands in the query of every request."""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    async def list_tools(self) -> Sequence[Mapping[str, Any]]:
        """The endpoints as tools."""
        return [endpoint.definition for endpoint in self.endpoints.values()]

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """Send the request of one call. Plain HTTP has no place for `meta`."""
        del meta
        endpoint = self.endpoints.get(name)
        if endpoint is None:
            raise CallFailedError("UNKNOWN_TOOL", f'the upstream has no tool "{name}"', sent=False)
        try:
            request = prepared(endpoint, self.client.base, arguments, self.query)
        except BadArgumentError as wrong:
            raise CallFailedError("INVALID_ARGUMENTS", str(wrong), sent=False) from None
        response = await self.client.send(request, headers)
        return result_of(endpoint, response, self.secrets, time.time())

    async def closed(self) -> str:
        """Wait for ever: what there is to break belongs to single calls."""
        await asyncio.Event().wait()
        raise AssertionError
