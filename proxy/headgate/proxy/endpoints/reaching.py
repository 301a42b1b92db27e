"""Whether the server of plain HTTP endpoints can be reached at all: a connection, and no request."""

import asyncio

import httpcore2 as httpcore
import httpx2 as httpx

from headgate.proxy.endpoints.address import Base
from headgate.proxy.endpoints.client import CONNECT_S, broken_off
from headgate.proxy.endpoints.dialing import NotVettedError, Resolve, VettedBackend, resolve
from headgate.proxy.endpoints.vetting import reach_of
from headgate.proxy.target import EndpointsTarget


async def unreachable(target: EndpointsTarget, resolver: Resolve = resolve) -> str | None:
    """Why no connection to the server of `target` can be had, as a sentence; None where one can."""
    base = Base.of(target.address)
    backend = VettedBackend(reach_of(base, allow_private=target.allow_private), resolver)
    try:
        async with asyncio.timeout(CONNECT_S):
            stream = await backend.connect_tcp(base.host, base.port, CONNECT_S)
            try:
                if base.scheme == "https":
                    stream = await stream.start_tls(httpx.create_ssl_context(), base.host, CONNECT_S)
            finally:
                await stream.aclose()
    except NotVettedError as refused:
        return f"{refused}: headgate does not connect to it without allow_private = true"
    except (httpcore.NetworkError, httpcore.TimeoutException) as broken:
        return str(broken_off(broken, base))
    except TimeoutError:
        return f"no connection to {base.host} in {CONNECT_S:g} s"
    return None
