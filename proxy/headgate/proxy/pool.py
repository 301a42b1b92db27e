"""The connections to one upstream over HTTP: each carries request after request, and no answer but to the last one."""

import select
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast

import httpcore2 as httpcore
import httpx2 as httpx

from headgate.proxy.sockets import socket_options

KEPT_S = 4.0
"""How long an idle connection is kept. Many servers close theirs after 5 s: a request sent at that moment is lost."""


class Pool(httpcore.AsyncConnectionPool):
    """Connections that are kept for the next request, unless something is left over from the last one.

    What a server sends beyond the end of an answer, a body where there is none or a second answer, would be taken for
    the answer to whatever is asked next.
    """

    def __init__(
        self,
        size: int,
        trust: ssl.SSLContext | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        """At most `size` connections. `trust` says whom to trust with TLS, and `network` connects."""
        super().__init__(max_connections=size, max_keepalive_connections=size)
        self._trust = trust
        self._network = network or Network()

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        """A connection that is made with its first request."""
        return _Connection(
            origin,
            ssl_context=self._trust,
            keepalive_expiry=KEPT_S,
            network_backend=self._network,
            socket_options=socket_options(),
        )


class _Connection(httpcore.AsyncHTTPConnection):
    def has_expired(self) -> bool:
        return super().has_expired() or self._holds_more()

    def _holds_more(self) -> bool:
        """Whether more than the last answer has come in. Only the parser of HTTP knows where that has ended."""
        parser = getattr(self._connection, "_h11_state", None)
        return self.is_idle() and parser is not None and bool(parser.trailing_data[0])


class Transport(httpx.AsyncHTTPTransport):
    """What an HTTP client sends its requests over, with the connections of a pool of ours."""

    def __init__(self, pool: Pool) -> None:
        """The transport's own pool is not made."""
        self._pool = pool


class Network(httpcore.AsyncNetworkBackend):
    """The network as httpcore knows it."""

    def __init__(self) -> None:
        """Nothing is connected to yet."""
        self._inner = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to `host`."""
        stream = await self._inner.connect_tcp(host, port, timeout, local_address)
        try:
            connected = stream.get_extra_info("socket")
            for option in socket_options or ():
                connected.setsockopt(*option)
        except (OSError, AttributeError) as broken:
            # Its peer has ended it already; on uvloop it has no socket then.
            await stream.aclose()
            raise httpcore.ConnectError("the connection was ended as soon as it was made") from broken
        return _Stream(stream, connected)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that says at once whether there is anything to read: data, or that its peer has ended it.

    The pool asks that of each idle connection at every request, and the answer of the stream itself costs as much as a
    tenth of the request.
    """

    def __init__(self, inner: httpcore.AsyncNetworkStream, socket: Any) -> None:
        self._inner = inner
        self._socket = socket
        self._poll = getattr(select, "poll", lambda: None)()  # Windows has none
        if self._poll is not None and socket.fileno() >= 0:
            self._poll.register(socket.fileno(), select.POLLIN)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's own
        try:
            return await self._inner.read(max_bytes, timeout)
        except ssl.SSLError as broken:  # the stream knows of those in a handshake only
            raise httpcore.ReadError(str(broken)) from broken

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's own
        try:
            await self._inner.write(buffer, timeout)
        except ssl.SSLError as broken:
            raise httpcore.WriteError(str(broken)) from broken

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _Stream(await self._inner.start_tls(ssl_context, server_hostname, timeout), self._socket)
        except BaseException:
            await self._inner.aclose()  # nobody else does, where it is cancelled
            raise

    def get_extra_info(self, info: str) -> Any:
        if info != "is_readable":
            with suppress(AttributeError):  # of a connection that is over, as above
                return self._inner.get_extra_info(info)
            return None
        if _read_ahead(self._inner):
            return True
        if self._poll is None:
            return self._inner.get_extra_info(info)
        # A closed socket has no number any more, and its old one may be another's.
        return self._socket.fileno() < 0 or bool(self._poll.poll(0))


def _read_ahead(inner: httpcore.AsyncNetworkStream) -> bool:
    """Whether more has been taken from the socket, or out of its TLS, than anybody has asked for."""
    stream = getattr(inner, "_stream", None)
    encrypted = getattr(stream, "_read_bio", None)
    if encrypted is not None and encrypted.pending:
        return True
    protocol = getattr(getattr(stream, "transport_stream", stream), "_protocol", None)
    return bool(getattr(protocol, "read_queue", None))
