"""The gate: batches and single calls over upstreams inside the process, in virtual time."""

import asyncio
import json
from typing import Any

import anyio
import pytest
from tests.server.gates import Shop, by_id, ended, gate_with, look, never_up, pay
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import CallFailedError
from headgate.server import gate as gate_module
from headgate.tools.page import Page
from headgate.tools.rules import ToolRules, UpstreamRules

pytestmark = in_virtual_time


@pytest.fixture
def shop() -> Shop:
    return Shop()


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    "request_form",
    [
        [look("a")],
        {"calls": [look("a")]},
        json.dumps([look("a")]),
        json.dumps({"calls": [look("a")]}),
    ],
    ids=["a list", "a whole request", "a list as JSON", "a request as JSON"],
)
@pytest.mark.parametrize("options", [{}, {"timeout_s": 9}], ids=["without options", "with options"])
async def test_a_batch_is_taken_in_each_form_with_and_without_options(
    shop: Shop, request_form: object, options: dict[str, Any]
) -> None:
    async with gate_with(shop=shop) as gate:
        reply = await gate.batch(request_form, **options)

    assert reply["outcome"] == "ok"
    assert reply["results"][0]["data"] == {"tag": "a"}


async def test_an_option_stands_above_the_request_it_comes_with(shop: Shop) -> None:
    async with gate_with(shop=shop) as gate:
        reply = await gate.batch({"calls": [look("a", 5)], "timeout_s": 60}, timeout_s=1)

    assert ended(reply) == {"a": "TOOL_TIMEOUT"}


async def test_a_reply_has_one_envelope_for_each_call_in_the_order_of_the_request(shop: Shop) -> None:
    async with gate_with(shop=shop) as gate:
        reply = await gate.batch([look("slow", 3), look("fast", 1), {"tool": "shop__nope"}])

    assert list(reply) == ["batch_id", "outcome", "summary", "counts", "duration_ms", "serial_ms", "results"]
    assert reply["outcome"] == "partial"
    assert reply["counts"] == {"ok": 2, "error": 1}
    assert (reply["duration_ms"], reply["serial_ms"]) == (3000, 4000)
    assert [result["id"] for result in reply["results"]] == ["slow", "fast", "c3"]
    assert by_id(reply)["slow"] == {
        "id": "slow",
        "tool": "shop__look",
        "class": "read",
        "status": "ok",
        "duration_ms": 3000,
        "data": {"tag": "slow"},
    }


async def test_what_is_unfinished_when_the_reply_is_due_is_pending_and_get_result_has_it_later(shop: Shop) -> None:
    async with gate_with(shop=shop, answer_within_s=10) as gate:
        reply = await gate.batch([look("fast", 1), look("slow", 15), pay("last", 3)])
        at = now()

        assert at == pytest.approx(10, abs=0.1)
        assert reply["outcome"] == "pending"
        assert ended(reply) == {"fast": "ok", "slow": "pending", "last": "pending"}
        so_far = gate.result(reply["batch_id"], "slow", Page())
        assert so_far is not None
        assert so_far.body == {"batch_id": reply["batch_id"], "id": "slow", "status": "pending"}

        await asyncio.sleep(20)
        later = gate.result(reply["batch_id"], None, Page())
        assert later is not None
        assert ended(later.body) == {"fast": "ok", "slow": "ok", "last": "ok"}
        found = gate.result(reply["batch_id"], "last", Page())
        assert found is not None
        assert found.body["data"] == {"tag": "last"}


async def test_at_the_timeout_of_a_batch_reads_time_out_and_what_has_not_started_never_does(shop: Shop) -> None:
    async with gate_with(shop=shop, read_concurrency=1) as gate:
        reply = await gate.batch([look("sent", 60), look("behind", 1, depends_on=["sent"])], timeout_s=2)

        assert now() == pytest.approx(2, abs=0.1)
        assert ended(reply) == {"sent": "TOOL_TIMEOUT", "behind": "DEADLINE_EXCEEDED"}
        assert reply["outcome"] == "failed"
        await asyncio.sleep(0.1)
        assert shop.events == ["sent starts", "sent is cancelled"]


async def test_at_the_timeout_of_a_batch_a_write_in_flight_is_pending_and_later_known(shop: Shop) -> None:
    async with gate_with(shop=shop) as gate:
        reply = await gate.batch([pay("one", 5), pay("two", 5)], timeout_s=2)

        assert ended(reply) == {"one": "pending", "two": "DEADLINE_EXCEEDED"}
        await asyncio.sleep(10)
        later = gate.result(reply["batch_id"], None, Page())
        assert later is not None
        assert ended(later.body) == {"one": "ok", "two": "DEADLINE_EXCEEDED"}
    assert shop.events == ["one starts", "one ends"]


async def test_whoever_leaves_takes_the_reads_along_and_leaves_a_write_to_its_end(shop: Shop) -> None:
    async with gate_with(shop=shop) as gate:
        with anyio.move_on_after(1):
            await gate.run([look("read", 60), pay("write", 5), pay("next", 5)])

        assert shop.events == ["read starts"]  # the write waits for the read listed before it
        shop.events.clear()

        with anyio.move_on_after(1):
            await gate.run([pay("write", 5), pay("next", 5), {"tool": "other__look"}])
        await asyncio.sleep(10)
        assert shop.events == ["read is cancelled"]  # an unknown tool stops every write
        shop.events.clear()

        with anyio.move_on_after(1):
            await gate.run([pay("write", 5), pay("next", 5)])
        await asyncio.sleep(10)
        assert shop.events == ["write starts", "write ends"]


@pytest.mark.parametrize(("parallel", "expected"), [(True, 3.0), (False, 6.0)], ids=["in parallel", "one by one"])
async def test_reads_run_at_once_or_one_by_one_in_order(shop: Shop, *, parallel: bool, expected: float) -> None:
    async with gate_with(shop=shop, parallel=parallel) as gate:
        await gate.batch([look("c", 3), look("a", 1), look("b", 2)])

    assert now() == pytest.approx(expected, abs=0.1)
    if not parallel:
        assert shop.events == ["c starts", "c ends", "a starts", "a ends", "b starts", "b ends"]


async def test_a_share_of_batches_runs_in_parallel(shop: Shop) -> None:
    async with gate_with(shop=shop, parallel=0.5) as gate:
        took = [(await gate.batch([look("a", 1), look("b", 1)]))["duration_ms"] for _ in range(400)]

    assert set(took) == {1000, 2000}
    assert 120 < took.count(1000) < 280


async def test_reads_only_refuses_a_batch_with_a_write_before_anything_runs(shop: Shop) -> None:
    async with gate_with(shop=shop) as gate:
        run = await gate.run([look("a"), pay("b"), {"tool": "shop__nope"}], reads_only=True)

        assert run.reply["outcome"] == "refused"
        problems = [(problem["code"], problem["where"]) for problem in run.reply["problems"]]
        assert problems == [("NOT_A_READ", "calls[1]"), ("NOT_A_READ", "calls[2]")]
        assert shop.events == []
        assert (await gate.run([look("a")], reads_only=True)).reply["outcome"] == "ok"


async def test_a_dry_run_says_what_would_run_and_runs_nothing(shop: Shop) -> None:
    async with gate_with(shop=shop) as gate:
        reply = await gate.batch([look("a"), pay("b"), look("c")], dry_run=True)

    assert reply["stages"] == [["a"], ["b"], ["c"]]
    assert shop.events == []


async def test_an_upstream_that_never_comes_up_delays_no_call_to_another(shop: Shop) -> None:
    async with gate_with(shop=shop, others={"stuck": never_up}) as gate:
        await gate.call("shop__look", {"tag": "a"})
        await gate.batch([look("b")])

        assert now() < 0.1


async def test_a_batch_waits_for_an_upstream_that_never_comes_up_in_the_first_seconds_only(shop: Shop) -> None:
    async with gate_with(shop=shop, others={"stuck": never_up}) as gate:
        first = await gate.batch([look("a"), {"id": "stuck", "tool": "stuck__tool"}])
        assert now() == pytest.approx(gate_module.FIRST_OPENING_S, abs=0.1)
        again = now()
        second = await gate.batch([look("b"), {"id": "stuck", "tool": "stuck__tool"}])

        assert now() - again < 0.1
        assert ended(first) | ended(second) == {"a": "ok", "b": "ok", "stuck": "UPSTREAM_UNAVAILABLE"}


async def test_a_tool_of_no_name_fails_with_the_nearest_name(shop: Shop) -> None:
    async with gate_with(shop=shop) as gate:
        with pytest.raises(CallFailedError, match='did you mean "look"'):
            await gate.call("shop__lok", {})


async def test_closing_the_gate_lets_a_write_in_flight_end_and_starts_nothing_more(shop: Shop) -> None:
    async with gate_with(shop=shop, answer_within_s=1) as gate:
        await gate.batch([pay("one", 4), pay("two", 4)])

    assert shop.events == ["one starts", "one ends"]
    assert now() == pytest.approx(4, abs=0.1)


async def test_closing_the_gate_waits_no_longer_than_the_drain_for_a_write_that_hangs(shop: Shop) -> None:
    rules = UpstreamRules(every_tool=ToolRules(timeout_s=3600))
    async with gate_with(shop=shop, rules=rules, answer_within_s=1) as gate:
        run = await gate.run([pay("one", 3000)])
        closing = now()

    assert now() - closing == pytest.approx(gate_module.DRAIN_S, abs=0.1)
    assert run.driver is not None
    assert [outcome and outcome.status for outcome in run.driver.outcomes] == ["unknown"]


async def test_the_spans_of_a_run_tell_when_each_call_ran(shop: Shop) -> None:
    async with gate_with(shop=shop) as gate:
        run = await gate.run([look("a", 2), pay("b", 1), {"id": "c", "tool": "nope"}])

    assert [(span.id, span.kind, span.status) for span in run.spans()] == [
        ("a", "read", "ok"), ("b", "write", "skipped"), ("c", "write", "error")
    ]  # fmt: skip
    assert [span.start_s and round(span.start_s, 3) for span in run.spans()] == [0.0, None, None]


async def test_what_is_raised_inside_the_gate_leaves_it_as_it_is(shop: Shop) -> None:
    async def fail_inside() -> None:
        async with gate_with(shop=shop) as gate:
            await gate.batch([look("a")])
            raise KeyError

    with pytest.raises(KeyError):
        await fail_inside()


async def test_what_a_program_hands_over_is_the_json_that_it_stands_for(shop: Shop) -> None:
    async with gate_with(shop=shop) as gate:
        calls = (
            look("a"),
            {"tool": "look", "arguments": {"echo": ({"$from": "a"}, {1: "\ud83d"}, 2**70)}},
        )
        reply = await gate.batch(calls)
        made = await gate.call("look", {"tag": "\ud83d"})

    assert reply["results"][1]["data"]["echo"] == [{"tag": "a"}, {"1": "\ufffd"}, 2**70]
    assert made["structuredContent"] == {"tag": "\ufffd"}


async def test_what_json_has_no_form_for_is_refused_before_anything_runs(shop: Shop) -> None:
    async with gate_with(shop=shop) as gate:
        reply = await gate.batch([pay("a"), {"tool": "look", "arguments": {"echo": {1, 2}}}])
        with pytest.raises(CallFailedError, match="this is not JSON") as failed:
            await gate.call("look", {"tag": b"x"})

    assert (reply["outcome"], reply["problems"][0]["code"]) == ("refused", "INVALID_REQUEST")
    assert failed.value.code == "INVALID_ARGUMENTS"
    assert shop.events == []
