"""The switch between parallel and one by one, turned while batches run."""

import json

import pytest
from tests.server.gates import Shop, gate_with, look
from tests.virtual_time import in_virtual_time

from headgate.server.log import set_up_log

TWO = [look("a", 1), look("b", 1)]


@in_virtual_time
async def test_it_is_turned_while_running_and_the_next_batch_goes_the_other_way() -> None:
    async with gate_with(shop=Shop()) as gate:
        took = [(await gate.batch(TWO))["duration_ms"]]
        gate.switch.turn(parallel=False)
        took.append((await gate.batch(TWO))["duration_ms"])
        gate.switch.turn(parallel=True)
        took.append((await gate.batch(TWO))["duration_ms"])

    assert took == [1000, 2000, 1000]


@in_virtual_time
async def test_a_share_of_the_batches_goes_in_parallel_and_both_ways_are_counted() -> None:
    async with gate_with(shop=Shop(), parallel=0.25) as gate:
        for _ in range(200):
            await gate.batch(TWO)
        await gate.batch([{"tool": "nothing"}])
        gate.close_books()
        parallel, one_by_one = gate.switch.in_parallel.told(), gate.switch.one_by_one.told()

    assert parallel["batches"] + one_by_one["batches"] == 201
    assert 20 < parallel["batches"] < 90
    assert (parallel["failed"] + one_by_one["failed"], parallel["partial"] + one_by_one["partial"]) == (1, 0)
    assert (parallel["mean_ms"] <= 1000, one_by_one["mean_ms"] > 1900) == (True, True)


@in_virtual_time
async def test_each_line_of_the_log_says_which_way_a_batch_went(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_log(as_json=True)
    async with gate_with(shop=Shop()) as gate:
        await gate.batch(TWO)
        gate.close_books()
        gate.switch.turn(parallel=False)
        await gate.batch(TWO)
        await gate.batch(TWO[:1])

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["parallel"] for line in lines if "batch_id" in line] == [True, False, False]
    turned, ended = [line for line in lines if "switch" in line]
    assert turned["switch"] == "parallel is now false; it was true"
    assert turned["parallel"] == {"batches": 1, "failed": 0, "partial": 0, "mean_ms": 1000}
    assert ended["one_by_one"]["batches"] == 2


@in_virtual_time
async def test_a_batch_under_way_ends_as_it_began() -> None:
    async with gate_with(shop=Shop()) as gate:
        run = gate.run({"calls": TWO}, on_progress=lambda _ended, _of: gate.switch.turn(parallel=False))
        assert (await run).reply["duration_ms"] == 1000
