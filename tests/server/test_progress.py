"""Progress notifications, as an SDK client gets them, in virtual time."""

import asyncio
from itertools import pairwise

import pytest
from tests.server.gates import Shop, client_of, gate_with, look
from tests.virtual_time import in_virtual_time

from headgate.server.progress import SOONEST_S

pytestmark = [in_virtual_time, pytest.mark.parametrize("mode", ["wire", "legacy"])]

Heard = list[tuple[float, float, float | None, str | None]]


async def heard_during(mode: str, *calls: dict[str, object]) -> tuple[Heard, float]:
    """When which progress came, and when the answer did; then an hour passes."""
    heard: Heard = []
    loop = asyncio.get_running_loop()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((loop.time(), progress, total, message))

    async with gate_with(shop=Shop(), answer_within_s=3600) as gate, client_of(gate, mode) as client:
        await client.call_tool("batch_call", {"calls": list(calls)}, progress_callback=hear)
        answered = loop.time()
        await asyncio.sleep(3600)
    return heard, answered


async def test_a_silent_batch_is_heard_of_at_least_every_ten_seconds(mode: str) -> None:
    heard, answered = await heard_during(mode, look("a", 25), look("b", 29.9))

    times = [0.0, *(time for time, *_ in heard), answered]
    assert max(later - earlier for earlier, later in pairwise(times)) <= 10
    assert len(heard) >= 4


async def test_progress_always_rises_and_ends_with_the_answer(mode: str) -> None:
    heard, answered = await heard_during(mode, *(look(f"c{number}", number) for number in range(8)), look("z", 40))

    assert all(later[1] > earlier[1] for earlier, later in pairwise(heard))
    assert all(time <= answered for time, *_ in heard)
    assert {total for _, _, total, _ in heard} == {9}
    assert heard[-1][3] == "8 of 9 calls have ended"


async def test_many_calls_that_end_at_once_are_told_of_together(mode: str) -> None:
    heard, _ = await heard_during(mode, *(look(f"c{number}", number / 100) for number in range(100)))

    assert min(later - earlier for (earlier, *_), (later, *_) in pairwise(heard)) >= SOONEST_S


async def test_nothing_is_told_to_a_client_that_did_not_ask(mode: str) -> None:
    messages: list[object] = []

    async def hear(message: object) -> None:
        messages.append(message)

    async with gate_with(shop=Shop()) as gate, client_of(gate, mode, message_handler=hear) as client:
        await client.call_tool("batch_call", {"calls": [look("a", 30)]})

    assert messages == []
