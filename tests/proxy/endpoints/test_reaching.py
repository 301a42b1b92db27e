"""Whether a server can be reached, without asking it anything."""

import asyncio
from collections.abc import Sequence

from tests.proxy.endpoints.origin import origin

from headgate.proxy.endpoints.reaching import unreachable
from headgate.proxy.target import EndpointsTarget


async def test_a_server_that_is_up_is_connected_to_and_asked_nothing() -> None:
    async with origin() as there:
        assert await unreachable(EndpointsTarget(there.url)) is None

    assert (there.connections, there.asked) == (1, [])


async def test_a_server_that_is_down_is_told() -> None:
    async with origin() as there:
        url = there.url

    assert await unreachable(EndpointsTarget(url)) == "cannot connect to 127.0.0.1 (ConnectError)"


async def test_a_name_that_stands_for_an_address_inside_is_told() -> None:
    async def inside(_host: str, _port: int) -> Sequence[str]:
        return ["10.0.0.1"]

    reason = await unreachable(EndpointsTarget("https://api.example"), inside)

    assert reason is not None
    assert reason.startswith("api.example stands for an address of a private network")


async def test_a_server_that_speaks_no_tls_is_told() -> None:
    async def mumble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(mumble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        reason = await unreachable(EndpointsTarget(f"https://127.0.0.1:{port}"))

    assert reason is not None
    assert "no secure connection" in reason
