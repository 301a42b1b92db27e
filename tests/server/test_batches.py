"""Batches are kept for get_result, within bounds."""

import asyncio

import pytest
from tests.server.gates import Shop, gate_with, look, pay, text
from tests.virtual_time import in_virtual_time

from headgate.server import batches
from headgate.server.batches import KEPT_BATCHES, TRIMMED_AT_ONCE, new_batch_id
from headgate.tools.page import Page


def test_no_two_batches_have_the_same_id() -> None:
    assert len({new_batch_id() for _ in range(1000)}) == 1000


@in_virtual_time
async def test_the_oldest_batches_go_first_and_a_running_one_never() -> None:
    async with gate_with(shop=Shop(), answer_within_s=0.1) as gate:
        running = (await gate.batch([pay("w", 25)]))["batch_id"]
        ids = [(await gate.batch([look("a")]))["batch_id"] for _ in range(KEPT_BATCHES + TRIMMED_AT_ONCE)]
        kept = [gate.result(batch_id, None, Page()) is not None for batch_id in ids]

        assert gate.result(running, None, Page()) is not None
        assert KEPT_BATCHES - 1 <= sum(kept) <= KEPT_BATCHES + TRIMMED_AT_ONCE
        assert kept == sorted(kept)


@in_virtual_time
async def test_what_is_kept_because_it_runs_goes_once_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "KEPT_IN_ALL", 2 * KEPT_BATCHES)
    many = 4 * KEPT_BATCHES
    async with gate_with(shop=Shop(), answer_within_s=0.05) as gate:
        running = [(await gate.batch([look("r", 100)]))["batch_id"] for _ in range(many)]
        kept = [gate.result(batch_id, None, Page()) is not None for batch_id in running]
        await asyncio.sleep(1000)
        for _ in range(4 * TRIMMED_AT_ONCE):
            await gate.batch([look("a")])

        assert all(kept)
        assert sum(gate.result(batch_id, None, Page()) is not None for batch_id in running) < KEPT_BATCHES


@in_virtual_time
async def test_large_results_go_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "KEPT_BYTES", 50_000)
    async with gate_with(shop=Shop(results={"big": text("x" * 20_000)})) as gate:
        ids: list[str] = []
        for _ in range(4):
            ids.append((await gate.batch([{"tool": "big"}]))["batch_id"])
            await asyncio.sleep(1)  # they are weighed a moment after the reply

        assert [gate.result(batch_id, None, Page()) is not None for batch_id in ids] == [False, False, True, True]


@in_virtual_time
async def test_images_count_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "KEPT_BYTES", 50_000)
    image = {"content": [{"type": "image", "data": "A" * 40_000, "mimeType": "image/png"}]}
    async with gate_with(shop=Shop(results={"image": image})) as gate:
        first = (await gate.batch([{"tool": "image"}]))["batch_id"]
        await asyncio.sleep(1)
        await gate.batch([{"tool": "image"}])
        await asyncio.sleep(1)

        assert gate.result(first, None, Page()) is None
