"""One session over HTTP: where its requests go, and the headers that mark them as its own."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import anyio
import httpx2 as httpx
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
)
from mcp_types import PROTOCOL_VERSION_META_KEY

from headgate.proxy.connection import CallFailedError
from headgate.proxy.http_body import drained
from headgate.proxy.http_failure import redirected
from headgate.proxy.recall import watched

SESSION_HEADER = "mcp-session-id"
JSON, EVENTS = "application/json", "text/event-stream"
COURTESY_S = 1.0
"""How long a notification, an answer of ours or the end of a session may take."""
_MAX_REDIRECTS = 3


class HttpSession:
    """What a handshake has agreed upon; in the era without sessions only the URL."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        """Requests go to `url` over `client`."""
        self._client = client
        self._configured = self.url = httpx.URL(url)
        self.version: str | None = None
        """The protocol version of the handshake era, once agreed upon."""
        self.identity: str | None = None
        """What the upstream calls the session; `None` where it keeps none, or knows it no longer."""

    async def end(self) -> None:
        """End it over there, if there is one."""
        if self.identity is not None:
            with anyio.move_on_after(COURTESY_S, shield=True), suppress(httpx.HTTPError, CallFailedError):
                async with self.answered("DELETE", self.headers()) as response:
                    await drained(response)
            self.identity = None

    @asynccontextmanager
    async def answered(
        self, verb: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> AsyncGenerator[httpx.Response]:
        """The upstream's response, not yet read.

        Redirects within its origin are followed, and kept to for as long as they lead to something that speaks MCP: a
        page that says that all is down for now is not to be asked for ever.
        """
        extensions = watched()
        url = self.url
        for _ in range(_MAX_REDIRECTS + 1):
            async with self._client.stream(
                verb, url, content=content, headers=dict(headers), extensions=extensions
            ) as response:
                moved = redirected(response)
                if moved is None:
                    speaks = response.is_success and media_type(response) in (JSON, EVENTS, "")
                    self.url = url if speaks else self._configured
                    yield response
                    return
            url = moved
        raise CallFailedError("UPSTREAM_ERROR", "the upstream redirects without end", sent=False)

    def headers(self, message: Mapping[str, Any] | None = None) -> dict[str, str]:
        """What `message` is sent with; without one, whatever else belongs to the session."""
        headers = {"accept": f"{JSON}, {EVENTS}", "content-type": JSON}
        version = None if message is None else modern_version(message["params"])
        if message is not None and version is not None:
            headers |= {MCP_PROTOCOL_VERSION_HEADER: version, MCP_METHOD_HEADER: message["method"]}
            name = message["params"].get(NAME_BEARING_METHODS.get(message["method"]))
            if isinstance(name, str):
                headers[MCP_NAME_HEADER] = encode_header_value(name)
        elif message is None or message["method"] != "initialize":
            if self.version is not None:
                headers[MCP_PROTOCOL_VERSION_HEADER] = self.version
            if self.identity is not None:
                headers[SESSION_HEADER] = self.identity
        return headers


def modern_version(params: Mapping[str, Any]) -> str | None:
    """The protocol version that a request names of itself, as it does in the era without sessions."""
    meta: object = params.get("_meta")
    version = cast("dict[str, Any]", meta).get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None
    return version if isinstance(version, str) else None


def media_type(response: httpx.Response) -> str:
    """The media type of `response`, in small letters and without parameters."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()
