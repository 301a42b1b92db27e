"""A whole batch in virtual time, over upstreams in memory."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.proxy.parts import answer, definition, listing, plan_of, turns
from tests.proxy.shops import Shop, call, driver_of, run, shops, statuses
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import CallFailedError, Connection, Opening, SessionGoneError
from headgate.proxy.driver import Driver
from headgate.proxy.journal.journaled import Writes
from headgate.proxy.journal.memory import MemoryJournal
from headgate.proxy.path import Attempt
from headgate.proxy.upstreams import Upstreams
from headgate.tools.reply import reply_to
from headgate.tools.rules import ToolRules, UpstreamRules
from headgate.tools.schedule import Command, Event, Schedule

pytestmark = in_virtual_time


async def test_reads_at_once_take_as_long_as_the_slowest() -> None:
    async with shops() as (upstreams, _):
        driver = driver_of(upstreams, [call("look", f"r{s}", s) for s in range(1, 11)])

        assert await run(driver) == pytest.approx(10, abs=0.01)

        assert set(statuses(driver).values()) == {"ok"}


async def test_no_more_reads_are_under_way_than_the_batch_may_have() -> None:
    async with shops() as (upstreams, _):
        driver = driver_of(upstreams, [call("look", f"r{n}", 1) for n in range(12)], reads=4)

        assert await run(driver) == pytest.approx(3, abs=0.01)


async def test_writes_go_in_the_order_listed_across_upstreams() -> None:
    async with shops(None, "a", "b") as (upstreams, made):
        log: list[str] = []
        made["a"].log = made["b"].log = log
        calls = [call(f"{'ab'[n % 2]}__change", f"w{n}", 5 - n) for n in range(5)]

        assert await run(driver_of(upstreams, calls)) == pytest.approx(15, abs=0.01)

    assert log == [f"{event} w{n}" for n in range(5) for event in ("start", "end")]


async def test_a_batch_takes_as_long_as_its_critical_path() -> None:
    async with shops(None, "a", "b") as (upstreams, _):
        calls = [
            call("a__change", "w1", 2),
            call("a__look", "after_w1", 3),
            call("b__look", "free", 4),
            call("a__change", "w2", 2),
            call("b__look", "needs", 1, depends_on=["after_w1", "free"]),
        ]
        assert await run(driver_of(upstreams, calls)) == pytest.approx(2 + 3 + 2, abs=0.01)


async def test_cancelled_it_ends_reads_at_once_lets_the_write_in_flight_finish_and_sends_nothing_more() -> None:
    async with shops(None, "a", "b") as (upstreams, made):
        calls = [
            call("a__change", "writing", 5),
            call("b__look", "reading", 20),
            call("a__change", "next", 1),
            call("a__look", "later", 1),
        ]
        driver = driver_of(upstreams, calls)
        asyncio.get_running_loop().call_later(2, driver.cancel)

        assert await run(driver) == pytest.approx(5, abs=0.01)

        assert statuses(driver) == {
            "writing": "ok",
            "reading": "skipped CANCELLED",
            "next": "skipped CANCELLED",
            "later": "skipped CANCELLED",
        }
        assert made["a"].log == ["start writing", "end writing"]
        assert made["b"].log == ["start reading", "cancelled reading"]


async def test_at_its_deadline_reads_time_out_and_what_has_not_started_never_does() -> None:
    async with shops(None, "a", "b") as (upstreams, made):
        calls = [call("a__change", "writing", 5), call("b__look", "reading", 20), call("a__look", "later", 1)]
        driver = driver_of(upstreams, calls, timeout_s=3)

        assert await run(driver) == pytest.approx(5, abs=0.01)

        assert statuses(driver) == {
            "writing": "ok",
            "reading": "timeout TOOL_TIMEOUT",
            "later": "skipped DEADLINE_EXCEEDED",
        }
        assert made["a"].log == ["start writing", "end writing"]


@pytest.mark.parametrize(("stop", "code"), [("deadline", "DEADLINE_EXCEEDED"), ("cancel", "CANCELLED")])
async def test_a_write_that_waits_for_its_turn_when_the_batch_is_over_is_never_sent(stop: str, code: str) -> None:
    async with shops() as (upstreams, made):
        first = driver_of(upstreams, [call("change", "theirs", 10)])
        second = driver_of(upstreams, [call("change", "ours", 1)], **({"timeout_s": 3} if stop == "deadline" else {}))
        if stop == "cancel":
            asyncio.get_running_loop().call_later(3, second.cancel)
        async with asyncio.TaskGroup() as tasks:
            first.start(tasks)
            await turns()
            second.start(tasks)
            assert await second.wait()
            assert second.ended_at == pytest.approx(second.started_at + 3, abs=0.01)

        assert statuses(second) == {"ours": f"skipped {code}"}
        assert statuses(first) == {"theirs": "ok"}
        assert made["shop"].log == ["start theirs", "end theirs"]
        assert await run(driver_of(upstreams, [call("change", "next", 1)])) == pytest.approx(1, abs=0.01)


async def test_a_batch_cancelled_in_the_moment_it_starts_sends_nothing() -> None:
    async with shops() as (upstreams, made):
        driver = driver_of(upstreams, [call("change", "w"), call("look", "r")])
        async with asyncio.TaskGroup() as tasks:
            driver.start(tasks)
            driver.cancel()
            assert await driver.wait()

        assert statuses(driver) == {"w": "skipped CANCELLED", "r": "skipped CANCELLED"}
        assert made["shop"].log == []


@pytest.mark.parametrize("after", range(6))
async def test_in_whichever_moment_a_batch_is_cancelled_a_write_is_sent_or_said_to_have_been_skipped(
    after: int,
) -> None:
    shop = Shop()
    writes = Writes(MemoryJournal(asyncio.get_running_loop().time))
    upstreams = Upstreams({"shop": (UpstreamRules(), shop.upstream.open)}, writes)
    async with writes.running(), upstreams.running():
        await upstreams.settled(5)
        driver = driver_of(upstreams, [call("change", "w")])
        async with asyncio.TaskGroup() as tasks:
            driver.start(tasks)
            await turns(after)
            driver.cancel()
            assert await driver.wait()
            await asyncio.sleep(60)

    assert (statuses(driver)["w"], shop.log) in (("ok", ["start w", "end w"]), ("skipped CANCELLED", []))


@pytest.mark.parametrize("stop", ["deadline", "cancel"])
async def test_a_write_that_was_seen_and_waits_for_a_session_when_the_batch_is_over_is_unknown_and_not_sent_again(
    stop: str,
) -> None:
    made: list[str] = []

    async def change(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        made.append("change")
        if len(made) == 1:
            raise CallFailedError("UPSTREAM_ERROR", "HTTP 503", sent=True, transient=True)
        shop.upstream.drop("it was restarted")
        raise SessionGoneError

    shop, opened = Shop(), list[Opening]()
    shop.upstream.handlers = {"change": change}

    @asynccontextmanager
    async def open_session(opening: Opening) -> AsyncGenerator[Connection]:
        await asyncio.sleep(10 if opened else 0)
        opened.append(opening)
        async with shop.upstream.open(opening) as connection:
            yield connection

    rules = UpstreamRules(tools={"change": ToolRules(idempotent=True)})
    writes = Writes(MemoryJournal(asyncio.get_running_loop().time))
    upstreams = Upstreams({"shop": (rules, open_session)}, writes)
    async with writes.running(), upstreams.running():
        await upstreams.settled(5)
        driver = driver_of(upstreams, [call("change", "w")], **({"timeout_s": 5} if stop == "deadline" else {}))
        async with asyncio.TaskGroup() as tasks:
            driver.start(tasks)
            asyncio.get_running_loop().call_later(5, driver.cancel)
            assert await driver.wait()
            await asyncio.sleep(60)

    assert statuses(driver) == {"w": "unknown OUTCOME_UNKNOWN"}
    assert len(made) == 2


async def test_stopped_by_a_failure_a_queued_write_says_what_stopped_it() -> None:
    async with shops(None, "a", "b") as (upstreams, made):
        blocking = driver_of(upstreams, [call("a__change", "theirs", 10)])
        driver = driver_of(upstreams, [call("a__change", "ours"), call("b__hurt", "hurt")], on_error="stop")
        async with asyncio.TaskGroup() as tasks:
            blocking.start(tasks)
            await turns()
            driver.start(tasks)
            assert await driver.wait()
            assert not blocking.done
        assert statuses(driver) == {"ours": "skipped CANCELLED", "hurt": "error TOOL_ERROR"}
        assert driver.outcomes[0] is not None
        assert getattr(driver.outcomes[0].result, "message", "") == 'stopped because "hurt" failed'
        assert made["a"].log == ["start theirs", "end theirs"]


async def test_progress_is_told_as_calls_end_and_reaches_their_number() -> None:
    async with shops() as (upstreams, _):
        driver = driver_of(upstreams, [call("look", f"r{s}", s) for s in range(1, 6)])
        told: list[int] = []
        driver.on_progress = lambda: told.append(driver.ended)

        await run(driver)

    assert told == sorted(told)
    assert told[-1] == 5
    assert set(told) == set(range(6))


async def test_waiting_may_be_bounded_and_what_is_unfinished_goes_on() -> None:
    async with shops() as (upstreams, _):
        driver = driver_of(upstreams, [call("look", "quick", 1), call("look", "slow", 9)])
        async with asyncio.TaskGroup() as tasks:
            driver.start(tasks)

            assert not await driver.wait(2)
            assert [outcome is not None for outcome in driver.outcomes] == [True, False]
            assert driver.ended_at is None

            assert await driver.wait(100)
    assert statuses(driver) == {"quick": "ok", "slow": "ok"}


class BugError(Exception):
    """What a bug of ours would raise."""


@pytest.mark.parametrize(
    ("raised", "sent", "kind", "ended"),
    [
        (BugError("secret"), False, "look", "error UPSTREAM_ERROR"),
        (BugError("secret"), True, "look", "error UPSTREAM_ERROR"),
        (BugError("secret"), False, "change", "error UPSTREAM_ERROR"),
        (BugError("secret"), True, "change", "unknown OUTCOME_UNKNOWN"),
        (asyncio.CancelledError(), True, "look", "error UPSTREAM_ERROR"),
        (asyncio.CancelledError(), True, "change", "unknown OUTCOME_UNKNOWN"),
        (CallFailedError("UPSTREAM_UNAVAILABLE", "gone", sent=False), False, "change", "error UPSTREAM_UNAVAILABLE"),
    ],
)
async def test_whatever_is_raised_on_the_way_ends_that_call_and_no_other(
    *, raised: BaseException, sent: bool, kind: str, ended: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def path(attempt: Attempt) -> Mapping[str, Any]:
        await asyncio.sleep(1)
        if attempt.arguments["tag"] == "bad":
            attempt.sent = sent
            raise raised
        return answer()

    plan = plan_of(
        [call(f"shop__{kind}", "bad"), call("other__look", "good")],
        [listing("shop", definition("look"), definition("change", "write")), listing("other", definition("look"))],
    )
    driver = Driver(plan, lambda _tool, _arguments: None, path, 8)

    async with asyncio.timeout(5):
        await run(driver)

    assert statuses(driver) == {"bad": ended, "good": "ok"}
    assert "secret" not in getattr(driver.outcomes[0] and driver.outcomes[0].result, "message", "")
    caplog.clear()


async def test_a_batch_that_headgate_stumbles_over_is_told_so_and_takes_no_other_with_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with shops(None, "a", "b", "c") as (upstreams, made):
        stumbled = driver_of(
            upstreams,
            [
                call("a__look", "ends", 1),
                call("b__look", "reading", 20),
                call("c__change", "writing", 5),
                call("c__change", "next", 1),
            ],
        )
        well = driver_of(upstreams, [call("a__look", "slow", 3), call("a__change", "after", 2)])
        handle = Schedule.handle

        def stumbling(self: Schedule, event: Event, now: float) -> list[Command]:
            if self.outcomes == stumbled.outcomes and len(self.outcomes) == 4:
                raise RuntimeError("a secret")
            return handle(self, event, now)

        monkeypatch.setattr(Schedule, "handle", stumbling)
        async with asyncio.TaskGroup() as group:
            for driver in (stumbled, well):
                driver.start(group)
            await stumbled.wait()
            assert asyncio.get_running_loop().time() - stumbled.started_at == pytest.approx(1, abs=0.01)
            await well.wait()

        assert statuses(stumbled) == {
            "ends": "error UPSTREAM_ERROR",
            "reading": "error UPSTREAM_ERROR",
            "writing": "unknown OUTCOME_UNKNOWN",
            "next": "skipped CANCELLED",
        }
        assert statuses(well) == {"slow": "ok", "after": "ok"}
        assert "cancelled reading" in made["b"].log
        assert made["c"].log == ["start writing", "end writing"]
        assert "a batch failed inside headgate" in caplog.text


async def test_an_upstream_that_crashes_fails_its_reads_leaves_its_write_unknown_and_no_other_upstream() -> None:
    async with shops(UpstreamRules(every_tool=ToolRules(retries=0)), "a", "b", "c") as (upstreams, made):
        calls = [call("a__look", "read", 9), call("b__change", "write", 9), call("c__look", "other", 9)]
        driver = driver_of(upstreams, calls)
        loop = asyncio.get_running_loop()
        loop.call_later(2, made["a"].upstream.drop, "it ended with exit code 1")
        loop.call_later(2, made["b"].upstream.drop, "it ended with exit code 1")

        assert await run(driver) == pytest.approx(9, abs=0.01)

        assert statuses(driver) == {
            "read": "error UPSTREAM_ERROR",
            "write": "unknown OUTCOME_UNKNOWN",
            "other": "ok",
        }


async def test_a_read_that_was_made_again_says_how_often_it_went_out() -> None:
    async with shops(None, "a", "b") as (upstreams, made):
        driver = driver_of(upstreams, [call("a__look", "read", 3), call("b__look", "other", 1)])
        asyncio.get_running_loop().call_later(2, made["a"].upstream.drop, "it ended with exit code 1")

        await run(driver)

        assert [outcome.attempts for outcome in driver.outcomes if outcome] == [2, 1]
        results = reply_to(driver.plan, driver.outcomes, "b_1", 6.0, 10_000).body["results"]
        assert [result.get("attempts") for result in results] == [2, None]


async def test_a_calls_own_timeout_may_lower_the_configured_one_and_never_raise_it() -> None:
    rules = UpstreamRules(every_tool=ToolRules(timeout_s=4))
    async with shops(rules) as (upstreams, _):
        calls = [call("look", "lower", 100, timeout_s=2), call("look", "higher", 100, timeout_s=50)]
        driver = driver_of(upstreams, calls)

        assert await run(driver) == pytest.approx(4, abs=0.01)

        assert statuses(driver) == {"lower": "timeout TOOL_TIMEOUT", "higher": "timeout TOOL_TIMEOUT"}
        durations = [outcome.duration_s for outcome in driver.outcomes if outcome]
        assert durations == pytest.approx([2, 4], abs=0.01)


async def test_a_thousand_calls_leave_no_task_behind() -> None:
    async with shops(UpstreamRules(concurrency=64)) as (upstreams, _):
        before = len(asyncio.all_tasks())
        kinds = ("look", "look", "look", "change")
        driver = driver_of(upstreams, [call(kinds[n % 4], f"c{n}", 0.01) for n in range(1_000)], reads=32)

        await run(driver)

        assert set(statuses(driver).values()) == {"ok"}
        assert len(asyncio.all_tasks()) == before


@pytest.mark.parametrize("over", ["deadline", "cancel", "failure"])
async def test_a_batch_that_is_over_while_the_answer_to_a_guess_waits_to_be_judged_ends_like_any_other(
    over: str,
) -> None:
    guess = {"$from": "slow", "path": "$.tag", "default": "?", "speculate": True}
    async with shops() as (upstreams, made):
        guessing = {"id": "guessing", "tool": "look", "arguments": {"tag": guess, "s": 1}}
        calls = [call("look", "slow", 10), call("look", "first", 2), guessing]
        if over == "failure":
            calls.append({"id": "hurt", "tool": "hurt", "depends_on": ["first"]})
        driver = driver_of(upstreams, calls, on_error="stop", **({"timeout_s": 3} if over == "deadline" else {}))
        if over == "cancel":
            asyncio.get_running_loop().call_later(3, driver.cancel)

        async with asyncio.timeout(60):
            assert await run(driver) == pytest.approx(2 if over == "failure" else 3, abs=0.01)

    code = "timeout TOOL_TIMEOUT" if over == "deadline" else "skipped CANCELLED"
    assert {"slow": code, "first": "ok", "guessing": code}.items() <= statuses(driver).items()
    assert "cancelled slow" in made["shop"].log
