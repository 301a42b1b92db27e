"""Which requests of a client still wait for their answer."""

import asyncio
import tracemalloc

import mcp_types as types

from headgate.server.stdio import Unanswered

OK: dict[str, object] = {}


def request(identity: int | str) -> types.JSONRPCRequest:
    return types.JSONRPCRequest(jsonrpc="2.0", id=identity, method="tools/call", params={})


def response(identity: int | str) -> types.JSONRPCResponse:
    return types.JSONRPCResponse(jsonrpc="2.0", id=identity, result=OK)


async def is_any_left(unanswered: Unanswered) -> bool:
    try:
        async with asyncio.timeout(0):
            await unanswered.none_left()
    except TimeoutError:
        return True
    return False


async def test_an_id_used_twice_waits_for_both_answers() -> None:
    unanswered = Unanswered()
    for _ in range(2):
        unanswered.came_in(request("a"))

    unanswered.went_out(response("a"))
    assert await is_any_left(unanswered)
    unanswered.went_out(response("a"))
    assert not await is_any_left(unanswered)


async def test_an_answer_that_nobody_asked_for_settles_nothing() -> None:
    unanswered = Unanswered()
    unanswered.came_in(request(1))

    unanswered.went_out(response(2))

    assert await is_any_left(unanswered)


async def test_nothing_is_kept_of_requests_that_were_answered() -> None:
    unanswered = Unanswered()
    tracemalloc.start()
    try:
        for identity in range(1_000, 11_000):
            unanswered.came_in(request(identity))
            unanswered.went_out(response(identity))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100_000
