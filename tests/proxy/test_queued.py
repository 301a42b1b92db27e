"""What a batch tells at its timeout of the calls that had to wait: never sent, or sent and not answered."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from tests.proxy.parts import answer, definition, turns
from tests.proxy.shops import Shop, call, driver_of, run, shops, statuses
from tests.virtual_time import in_virtual_time

from headgate.proxy.connection import CallFailedError, Connection, Opening
from headgate.proxy.direct import Direct
from headgate.proxy.driver import Driver
from headgate.proxy.memory import MemoryUpstream
from headgate.proxy.upstreams import Upstreams
from headgate.tools.outcome import Failure
from headgate.tools.reply import reply_to
from headgate.tools.rules import Rate, ToolRules, UpstreamRules

pytestmark = in_virtual_time

NEVER_SENT = "skipped DEADLINE_EXCEEDED"
NO_ANSWER = "timeout TOOL_TIMEOUT"


def told(driver: Driver, place: int = -1) -> str:
    """The error text of the call at `place`."""
    outcome = driver.outcomes[place]
    assert outcome is not None
    assert isinstance(outcome.result, Failure)
    return outcome.result.message


@pytest.mark.parametrize(
    ("rules", "reads", "waited_for"),
    [
        (UpstreamRules(), 1, "a place among the reads of its batch that run at once"),
        (UpstreamRules(concurrency=1), 9, 'a place among the calls that upstream "shop" takes at once'),
        (
            UpstreamRules(tools={"look": ToolRules(concurrency=1)}),
            9,
            "a place among the calls of its tool that run at once",
        ),
        (
            UpstreamRules(concurrency=1, rate=Rate(10, 1.0, 10)),
            9,
            'a place among the calls that upstream "shop" takes at once',
        ),
    ],
    ids=["the batch's reads", "the upstream", "the tool", "the upstream, with a rate limit"],
)
async def test_a_read_that_still_waits_for_a_permit_was_never_sent_and_is_told_what_it_waited_for(
    rules: UpstreamRules, reads: int, waited_for: str
) -> None:
    async with shops(rules) as (upstreams, made):
        driver = driver_of(upstreams, [call("look", "sent", 9), call("look", "waits", 9)], reads, timeout_s=3)

        assert await run(driver) == pytest.approx(3, abs=0.01)

        assert statuses(driver) == {"sent": NO_ANSWER, "waits": NEVER_SENT}
        message = f"not sent: at the batch's timeout it waited for {waited_for}; send it again, with a longer timeout_s"
        assert (told(driver, 0), told(driver, 1)) == ("no answer before the batch's timeout", message)
        assert made["shop"].log == ["start sent", "cancelled sent"]


async def test_a_parallel_group_is_named_by_its_label() -> None:
    async with shops() as (upstreams, _):
        calls = [call("look", f"r{n}", 9, parallel_group="slow") for n in range(2)]
        driver = driver_of(upstreams, calls, timeout_s=3, groups={"slow": {"concurrency": 1}})
        await run(driver)

        assert statuses(driver) == {"r0": NO_ANSWER, "r1": NEVER_SENT}
        assert 'waited for a place in its parallel_group "slow"' in told(driver)


async def test_a_read_whose_tokens_others_took_was_never_sent() -> None:
    async with shops(UpstreamRules(rate=Rate(1, 1.0, 1))) as (upstreams, _):
        ours = driver_of(upstreams, [call("look", f"ours{n}", 0) for n in range(4)], timeout_s=3.5)
        theirs = [driver_of(upstreams, [call("look", f"theirs{n}", 0)]) for n in range(3)]
        async with asyncio.TaskGroup() as tasks:
            ours.start(tasks)
            await asyncio.sleep(0.1)
            for each in theirs:
                each.start(tasks)
            assert await ours.wait()
            for each in theirs:
                assert await each.wait()

        assert [*statuses(ours).values()] == ["ok", "ok", "ok", NEVER_SENT]
        assert "waited for a token of a rate limit" in told(ours)


async def test_what_the_reply_says_of_it_adds_up() -> None:
    async with shops(UpstreamRules(concurrency=1)) as (upstreams, _):
        calls = [call("look", "first", 2), call("look", "second", 9), call("look", "waits", 9)]
        driver = driver_of(upstreams, calls, timeout_s=3)
        await run(driver)

        reply = reply_to(driver.plan, driver.outcomes, "b_1", 3.0, 10_000)

    results = reply.body["results"]
    assert [(it["duration_ms"], it.get("queued_ms"), it.get("retryable")) for it in results] == [
        (2000, None, None),
        (1000, 2000, True),
        (0, 3000, True),
    ]
    assert reply.body["counts"] == {"ok": 1, "timeout": 1, "skipped": 1}
    assert reply.body["summary"].endswith("(one by one: 3.00 s). second: TOOL_TIMEOUT, waits: DEADLINE_EXCEEDED")
    assert (reply.body["outcome"], reply.is_error) == ("partial", False)


async def test_a_batch_of_which_nothing_went_out_has_failed() -> None:
    async with shops(UpstreamRules(concurrency=1)) as (upstreams, _):
        theirs = driver_of(upstreams, [call("look", "theirs", 9)])
        ours = driver_of(upstreams, [call("look", "a", 1), call("look", "b", 1, depends_on=["a"])], timeout_s=3)
        async with asyncio.TaskGroup() as tasks:
            theirs.start(tasks)
            ours.start(tasks)
            assert await ours.wait()
            assert await theirs.wait()

        assert statuses(ours) == {"a": NEVER_SENT, "b": NEVER_SENT}
        reply = reply_to(ours.plan, ours.outcomes, "b_1", 3.0, 10_000)
        assert (reply.body["outcome"], reply.is_error, reply.body["counts"]) == ("failed", True, {"skipped": 2})


async def test_a_write_that_waits_for_its_turn_is_told_so() -> None:
    async with shops() as (upstreams, _):
        theirs = driver_of(upstreams, [call("change", "theirs", 9)])
        ours = driver_of(upstreams, [call("change", "ours", 1)], timeout_s=3)
        async with asyncio.TaskGroup() as tasks:
            theirs.start(tasks)
            ours.start(tasks)
            assert await ours.wait()
            assert await theirs.wait()

        assert statuses(ours) == {"ours": NEVER_SENT}
        assert 'waited for its turn among the writes to upstream "shop"' in told(ours)


async def test_a_read_that_is_cancelled_while_it_waits_had_not_started() -> None:
    async with shops() as (upstreams, _):
        driver = driver_of(upstreams, [call("look", "sent", 9), call("look", "waits", 9)], reads=1)
        asyncio.get_running_loop().call_later(3, driver.cancel)
        await run(driver)

        assert statuses(driver) == {"sent": "skipped CANCELLED", "waits": "skipped CANCELLED"}
        assert (told(driver, 0), told(driver, 1)) == ("cancelled while it ran", "cancelled before it started")


class Reopening:
    """An upstream whose first session opens at once, and every other only after a minute."""

    def __init__(self) -> None:
        self.shop = Shop()
        self.sessions = 0

    def open(self, opening: Opening) -> AbstractAsyncContextManager[Connection]:
        return self._open(opening)

    @asynccontextmanager
    async def _open(self, opening: Opening) -> AsyncGenerator[Connection]:
        self.sessions += 1
        if self.sessions > 1:
            await asyncio.sleep(60)
        async with self.shop.upstream.open(opening) as connection:
            yield connection


@pytest.mark.parametrize(("drop_at", "ended"), [(0.0, NEVER_SENT), (2.5, NO_ANSWER)], ids=["before", "while it ran"])
async def test_a_read_that_waits_for_its_upstream_to_come_back_was_sent_only_if_it_had_been_before(
    drop_at: float, ended: str
) -> None:
    up = Reopening()
    upstreams = Upstreams({"shop": (UpstreamRules(), up.open)})
    async with upstreams.running():
        await upstreams.settled(5)
        await asyncio.sleep(31)  # a session that held for so long is opened anew soon
        asyncio.get_running_loop().call_later(drop_at, up.shop.upstream.drop, "it ended with exit code 1")
        await asyncio.sleep(1)
        driver = driver_of(upstreams, [call("look", "r", 9)], timeout_s=4)
        await run(driver)

    assert statuses(driver) == {"r": ended}
    assert ('waited for upstream "shop" to take it' in told(driver)) == (ended == NEVER_SENT)


@pytest.mark.parametrize(("sent", "ended"), [(True, NO_ANSWER), (False, NEVER_SENT)])
async def test_a_read_that_waits_for_the_answer_of_one_like_it_was_sent_if_that_one_was(
    *, sent: bool, ended: str
) -> None:
    async with shops(UpstreamRules(concurrency=1)) as (upstreams, made):
        blocking = [] if sent else [driver_of(upstreams, [call("look", "blocking", 20)])]
        like = {"tool": "look", "arguments": {"tag": "like", "s": 9}}
        theirs = driver_of(upstreams, [{"id": "theirs", **like}])
        ours = driver_of(upstreams, [{"id": "ours", **like}, {"id": "again", **like}], timeout_s=3)
        async with asyncio.TaskGroup() as tasks:
            for each in (*blocking, theirs, ours):
                each.start(tasks)
                await turns()
            assert await ours.wait()
            assert await theirs.wait()

        assert statuses(ours) == {"ours": ended, "again": ended}
        assert statuses(theirs) == {"theirs": "ok"}
        assert made["shop"].log.count("start like") == 1


async def test_a_read_that_its_upstream_had_refused_for_now_was_sent_though_it_waits_again() -> None:
    tries: list[str] = []

    async def refuse_once(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        tries.append(arguments["tag"])
        if tries == ["ours"]:
            raise CallFailedError("RATE_LIMITED", "not now", sent=False, transient=True, retry_after_s=1)
        await asyncio.sleep(20)
        return answer()

    up = MemoryUpstream([definition("look")], {"look": refuse_once})
    upstreams = Upstreams({"shop": (UpstreamRules(concurrency=1), up.open)})
    async with upstreams.running():
        await upstreams.settled(5)
        ours = driver_of(upstreams, [call("look", "ours")], timeout_s=5)
        theirs = driver_of(upstreams, [call("look", "theirs")])
        async with asyncio.TaskGroup() as tasks:
            ours.start(tasks)
            await turns()
            theirs.start(tasks)
            assert await ours.wait()
            assert await theirs.wait()

    assert tries == ["ours", "theirs"]
    assert statuses(ours) == {"ours": NO_ANSWER}


@pytest.mark.parametrize(
    ("s", "reads", "ended", "items"),
    [
        (9, 2, NO_ANSWER, ["timeout", "timeout", "skipped", "skipped"]),
        (2, 2, NO_ANSWER, ["ok", "ok", "timeout", "timeout"]),
        (3.5, 9, NO_ANSWER, ["timeout"] * 4),
    ],
)
async def test_of_a_list_each_item_is_told_whether_it_was_sent_and_the_call_that_some_were(
    s: float, reads: int, ended: str, items: list[str]
) -> None:
    async with shops() as (upstreams, _):
        each = {"id": "each", "tool": "look", "for_each": [1, 2, 3, 4], "arguments": {"tag": {"$item": "$"}, "s": s}}
        driver = driver_of(upstreams, [each], reads, timeout_s=3)
        await run(driver)

        assert statuses(driver) == {"each": ended}
        assert driver.outcomes[0] is not None
        assert [item.status for item in driver.outcomes[0].items or ()] == items


@pytest.mark.parametrize(("unread", "ended"), [(True, NEVER_SENT), (False, NO_ANSWER)])
async def test_a_read_that_its_upstream_has_not_begun_to_take_in_was_never_sent(*, unread: bool, ended: str) -> None:
    async with shops() as (upstreams, _):
        driver = driver_of(upstreams, [call("look", "r", 9)], timeout_s=3)
        begun: list[Direct] = []

        def begin(direct: Direct) -> bool:
            begun.append(direct)
            direct.attempt.started_at, direct.attempt.sent = asyncio.get_running_loop().time(), True
            direct.carried(lambda: unread, lambda error: CallFailedError("UPSTREAM_ERROR", str(error), sent=True))
            return True

        driver.begin = begin
        await run(driver)

        assert statuses(driver) == {"r": ended}
        assert [direct.state for direct in begun] == ["called off"]
