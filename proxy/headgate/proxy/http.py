"""MCP servers at a URL, over streamable HTTP."""

import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import anyio
import httpx2 as httpx
from mcp.shared.exceptions import MCPError
from mcp_types import UNSUPPORTED_PROTOCOL_VERSION

from headgate.proxy.connection import MAX_ANSWER, MAX_LATE, Connection, Open, Opening
from headgate.proxy.http_body import ENCODINGS
from headgate.proxy.oauth.bearer import Bearer
from headgate.proxy.oauth.ending import Ending
from headgate.proxy.oauth.transport import BearerTransport
from headgate.proxy.param_headers import ParamHeaders
from headgate.proxy.pool import Pool, Transport
from headgate.proxy.redact import secrets_in, secrets_in_args
from headgate.proxy.session import KnownEra, Send, SessionConnection, answered_with_error, negotiated
from headgate.proxy.streamable import Streamable
from headgate.proxy.target import HttpTarget

CONNECT_S = 10.0
"""How long a connection may take to come about, and how long a request may wait for one that is free."""
_SPARE_CONNECTIONS = 4 + MAX_LATE
"""Beside the calls in flight: the upstream's own stream, listings, what we say out of courtesy, and late writes."""


def http_opener(
    target: HttpTarget, concurrency: int, answer_limit: int = MAX_ANSWER, bearer: Bearer | None = None
) -> Open:
    """An opener for the server at `target`, with a connection for each of `concurrency` calls.

    Answers of more than `answer_limit` bytes are not taken in. `bearer` has the token, where the server may want one.
    """

    @asynccontextmanager
    async def open_session(opening: Opening) -> AsyncGenerator[Connection]:
        secrets = secrets_of(target, bearer)
        async with client_of(target, concurrency, bearer) as client, anyio.create_task_group() as tasks:
            line = Streamable(client, target.url, tasks, answer_limit)
            try:
                async with negotiated(line, opening, secrets, KnownEra(is_old=target.handshake)) as (session, meta):
                    if meta is None:
                        tasks.start_soon(line.listen, opening.tools_changed)
                    send = _sender(line, lambda: secrets_of(target, bearer), modern=meta is not None)
                    yield SessionConnection(send, line.closed, meta, secrets_of(target, bearer), session)
            finally:
                line.close("headgate has closed the session")
                await line.say_goodbye()
                if bearer is not None:
                    await bearer.part()
                tasks.cancel_scope.cancel()

    return open_session


def client_of(target: HttpTarget, concurrency: int, bearer: Bearer | None = None) -> httpx.AsyncClient:
    """An HTTP client with the target's headers, and its token. How long an answer may take is for its user to say."""
    transport = Transport(Pool(concurrency + _SPARE_CONNECTIONS, _trust(target)))
    return httpx.AsyncClient(
        headers={"accept-encoding": ENCODINGS, **target.headers},
        timeout=httpx.Timeout(None, connect=CONNECT_S, pool=CONNECT_S),
        transport=transport if bearer is None else BearerTransport(transport, bearer, target.url),
    )


def secrets_of(target: HttpTarget, bearer: Bearer | None) -> frozenset[str]:
    """What the upstream at `target` is given and nobody is to be shown, should its words hold it; tokens change."""
    given = secrets_in(target.headers) | secrets_in_args((target.url,)) | target.hidden
    return given if bearer is None else given | bearer.secrets


def _trust(target: HttpTarget) -> ssl.SSLContext:
    """Whom to trust with TLS: for a plain URL, which needs none, nobody."""
    return system_trust() if target.url.lower().startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def system_trust() -> ssl.SSLContext:
    """Whom the system trusts with TLS."""
    # Reading all certificates takes 50 ms, in which nothing else happens.
    return httpx.create_ssl_context()


def _sender(line: Streamable, secrets: Callable[[], frozenset[str]], *, modern: bool) -> Send:
    by_tool = ParamHeaders()
    ending = Ending(line.close)

    async def send(method: str, params: dict[str, Any], headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        if modern and method == "tools/call":
            headers = {**(headers or {}), **by_tool.of(params["name"], params["arguments"])}
        try:
            with ending.after_all():
                result = await line.call(method, params, headers=headers)
        except MCPError as error:
            if error.code == UNSUPPORTED_PROTOCOL_VERSION:
                raise line.lose() from None
            raise answered_with_error(error, secrets()) from None
        if modern and method == "tools/list" and isinstance(result.get("tools"), list):
            by_tool.note(result["tools"])
        return result

    return send
