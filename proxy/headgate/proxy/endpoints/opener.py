"""An upstream of plain HTTP endpoints, behind the seam that every upstream is behind."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headgate.proxy.connection import MAX_ANSWER, MAX_LATE, CallFailedError, Connection, Open, Opening, UnavailableError
from headgate.proxy.direct import Direct
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

if TYPE_CHECKING:
    from headgate.proxy.endpoints.openapi.operations import Found

logger = logging.getLogger(__name__)

USER_AGENT = "headgate"
_SPARE_CONNECTIONS = MAX_LATE + 1
"""Beside the calls in flight: writes that their callers have given up, which must not keep others from going out."""
_TOLD = 3
"""Operations without a tool that are named."""


def endpoints_opener(
    target: EndpointsTarget,
    concurrency: int,
    answer_limit: int = MAX_ANSWER,
    resolver: Resolve = resolve,
) -> Open:
    """An opener for the endpoints of `target`, with a connection for each of `concurrency` calls.

    An answer may have `answer_limit` bytes, decompressed.

    Opening asks the server nothing: one that is down is found out about by the calls.
    """

    @asynccontextmanager
    async def open_session(_opening: Opening) -> AsyncGenerator[Connection]:
        base = Base.of(target.address)
        headers = {"user-agent": USER_AGENT, **target.headers}
        reach = reach_of(base, allow_private=target.allow_private)
        async with client_for(
            base, headers, reach, concurrency=concurrency + _SPARE_CONNECTIONS, resolver=resolver, most=answer_limit
        ) as client:
            endpoints = {**await _documented(target, base, resolver), **_by_name(target.endpoints)}
            secrets = secrets_in(target.headers) | secrets_in(target.query) | target.hidden
            yield EndpointsConnection(client, endpoints, target.query, secrets)

    return open_session


async def _documented(target: EndpointsTarget, base: Base, resolver: Resolve) -> dict[str, Endpoint]:
    """The endpoints of the document, where there is one."""
    if target.openapi is None:
        return {}
    # Imported here: the library takes a moment to load, and an upstream that is spelled out needs none.
    from headgate.proxy.endpoints.openapi.loading import content_of  # noqa: PLC0415

    content = await content_of(target.openapi, base, target.headers, resolver, private=target.allow_private)
    fixed = tuple(name.lower() for name in (*target.headers, *target.query))
    found = await asyncio.to_thread(_endpoints_in, content, base, fixed)
    if found.left_out:
        some = "; ".join(f"{name}: {why}" for name, why in found.left_out[:_TOLD])
        logger.warning("%d operations of the OpenAPI document are no tools, such as %s", len(found.left_out), some)
    return found.endpoints


def _endpoints_in(content: bytes, base: Base, fixed: Collection[str]) -> "Found":
    from headgate.proxy.endpoints.openapi.document import BadDocumentError, read_document  # noqa: PLC0415
    from headgate.proxy.endpoints.openapi.operations import endpoints_of  # noqa: PLC0415

    try:
        return endpoints_of(read_document(content), base, fixed)
    except BadDocumentError as bad:
        raise UnavailableError(f"its OpenAPI document {bad}") from None


def _by_name(endpoints: Sequence[Endpoint]) -> dict[str, Endpoint]:
    return {endpoint.name: endpoint for endpoint in endpoints}


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

    def begin(self, direct: Direct) -> bool:
        """Have a task see to it: a request over HTTP waits for much."""
        del direct
        return False

    async def closed(self) -> str:
        """Wait for ever: what there is to break belongs to single calls."""
        await asyncio.Event().wait()
        raise AssertionError
