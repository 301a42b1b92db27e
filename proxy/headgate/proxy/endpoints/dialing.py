"""Connections to vetted addresses only: a name is resolved, judged, and what was judged is connected to.

TLS and the Host header keep the name. There is no second look-up that could give another answer, and no proxy of the
environment, which would do one of its own.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpcore2 as httpcore

from headgate.proxy.endpoints.vetting import Reach, literal, refused
from headgate.proxy.pool import Network

logger = logging.getLogger(__name__)

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses that a name stands for, best first; raises OSError where there are none."""
_CALLED = {
    "private": "an address of a private network",
    "loopback": "an address of this machine",
    "special": "an address that nothing on the internet has",
    "public": "an address on the internet",
}


class NotVettedError(Exception):
    """A name stands for an address that must not be connected to. Its text names no address."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class VettedBackend(httpcore.AsyncNetworkBackend):
    """The network as httpcore knows it, within `reach`."""

    def __init__(self, reach: Reach, resolver: Resolve = resolve) -> None:
        """`resolver` says what a name stands for."""
        self._reach = reach
        self._resolve = resolver
        self._network = Network()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the addresses of `host` that takes the connection."""
        addresses = await self._vetted(host, port, timeout)
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as broken:
                failure = broken
        raise failure or httpcore.ConnectError("the name stands for no address")

    async def _vetted(self, host: str, port: int, timeout_s: float | None) -> Sequence[str]:
        if literal(host) is not None:
            addresses: Sequence[str] = (host,)
        else:
            try:
                async with asyncio.timeout(timeout_s):
                    addresses = await self._resolve(host, port)
            except TimeoutError:
                raise httpcore.ConnectTimeout("the name was not resolved in time") from None
            except (OSError, UnicodeError) as broken:
                raise httpcore.ConnectError("the name is not known") from broken
        kind = refused(addresses, self._reach)
        if kind is not None:
            logger.warning("%s stands for %s, which is not connected to", host, ", ".join(addresses))
            raise NotVettedError(f"{host} stands for {_CALLED[kind]}")
        return addresses
