"""Writes on their way: made once under a key, written down around the sending, and honest about what nobody knows."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.proxy.parts import all_at_once, answer, tool, turns
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Attempt, CallPath
from headgate.proxy.connection import AnsweredWithErrorError, CallFailedError
from headgate.proxy.journal.journal import Ending, Intent, JournalError
from headgate.proxy.journal.journaled import LATE_S, Writes
from headgate.proxy.journal.memory import MemoryJournal
from headgate.proxy.limits import Limits
from headgate.proxy.path import call_path
from headgate.tools.keys import KEPT_S
from headgate.tools.rules import Forward, Rate, ToolRules, UpstreamRules

pytestmark = in_virtual_time


class Journal(MemoryJournal):
    """One on the loop's clock, that can be out of order."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop().time)
        self.broken = False
        self.settles_in_s = 0.0

    async def settle(self, write: int, ending: Ending) -> None:
        await asyncio.sleep(self.settles_in_s)
        await super().settle(write, ending)

    async def claim(self, intent: Intent) -> Any:
        if self.broken:
            raise JournalError("its journal cannot be written: the disk is full")
        return await super().claim(intent)


@dataclass(slots=True)
class Upstream:
    """Takes a second over each write, and counts them."""

    journal: Journal
    call: CallPath = field(init=False)
    made: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    sent: list[Attempt] = field(default_factory=list[Attempt])
    fails: BaseException | None = None
    takes_s: float = 1.0
    up: bool = True
    recovers_after: int = 1_000
    down_after: int = 1_000
    is_error: bool = False
    asks: bool = False
    given_up_at: float | None = None

    async def make(self, attempt: Attempt) -> Mapping[str, Any]:
        return await self.call(attempt)

    async def send(self, attempt: Attempt) -> Mapping[str, Any]:
        if not self.up:
            raise CallFailedError("UPSTREAM_UNAVAILABLE", "it is down", sent=False)
        attempt.sent = True
        self.sent.append(attempt)
        self.made.append(attempt.arguments)
        try:
            await asyncio.sleep(self.takes_s)
        except asyncio.CancelledError:
            self.given_up_at = asyncio.get_running_loop().time()
            raise
        self.up = len(self.made) < self.down_after
        if self.asks:
            return {"resultType": "input_required"}
        if self.is_error:
            return {"content": [], "isError": True}
        if self.fails is not None and len(self.made) <= self.recovers_after:
            raise self.fails.copy() if isinstance(self.fails, CallFailedError) else self.fails
        return answer({"number": len(self.made)})


@asynccontextmanager
async def upstream(**rules: Any) -> AsyncGenerator[Upstream]:
    journal = Journal()
    writes = Writes(journal)
    up = Upstream(journal)
    up.call = call_path(Limits(UpstreamRules(**rules), "up"), up.send, writes=writes)
    async with writes.running():
        yield up


def write(key: str | None = "k", sum: int = 1, timeout_s: float = 30.0, **rules: Any) -> Attempt:  # noqa: A002
    of = tool("pay", "write", ToolRules(**rules))
    return Attempt(of, {"sum": sum}, timeout_s, (), asyncio.get_running_loop().time(), key=key)


async def failure(call: Any) -> CallFailedError:
    with pytest.raises(CallFailedError) as failed:
        await call
    return failed.value


async def test_the_same_write_under_the_same_key_is_made_once_and_its_answer_given_again() -> None:
    async with upstream() as up:
        first, again = write(), write()
        assert await up.call(first) == answer({"number": 1})
        assert await up.call(again) == answer({"number": 1})

    assert len(up.made) == 1
    assert (first.replayed, again.replayed) == (False, True)


async def test_without_a_key_each_write_is_its_own() -> None:
    async with upstream() as up:
        await up.call(write(None))
        await up.call(write(None))

    assert len(up.made) == 2


async def test_while_it_is_under_way_the_same_write_waits_for_its_answer_and_takes_nothing() -> None:
    async with upstream(concurrency=1, rate=Rate(1, 3600.0, 1)) as up:
        answers = await all_at_once(*(up.call(write()) for _ in range(5)))

    assert answers == [answer({"number": 1})] * 5
    assert len(up.made) == 1


async def test_it_waits_no_longer_than_its_own_timeout() -> None:
    async with upstream() as up:
        up.takes_s = 20
        first, hasty = await all_at_once(up.call(write()), failure(up.call(write(timeout_s=3))))

    assert first == answer({"number": 1})
    assert hasty.failure("write").code == "OUTCOME_UNKNOWN"
    assert "still under way" in str(hasty)


async def test_other_arguments_under_the_same_key_are_refused_while_it_runs_and_afterwards() -> None:
    async with upstream() as up:
        _, during = await all_at_once(up.call(write(sum=1)), failure(up.call(write(sum=2))))
        after = await failure(up.call(write(sum=2)))

    assert during.code == after.code == "CONFLICT"
    assert "other arguments" in str(after)
    assert not after.sent
    assert len(up.made) == 1


async def test_another_principal_is_another_write() -> None:
    async with upstream() as up:
        mine, yours = write(), write(sum=2)
        yours.principal = "you"
        await up.call(mine)
        await up.call(yours)

    assert len(up.made) == 2


async def test_a_tools_own_error_is_an_outcome_too() -> None:
    async with upstream() as up:
        up.is_error = True
        first, again = await up.call(write()), await up.call(write())

    assert first == again == {"content": [], "isError": True}
    assert len(up.made) == 1


async def test_a_protocol_error_is_an_outcome_too() -> None:
    async with upstream() as up:
        up.fails = AnsweredWithErrorError("no such payment")
        first, again = await failure(up.call(write())), await failure(up.call(write()))

    assert (first.code, str(first)) == (again.code, str(again)) == ("UPSTREAM_ERROR", "no such payment")
    assert len(up.made) == 1


async def test_what_never_went_out_leaves_the_key_free() -> None:
    async with upstream() as up:
        up.up = False
        assert (await failure(up.call(write()))).code == "UPSTREAM_UNAVAILABLE"
        up.up = True

        assert await up.call(write(sum=2)) == answer({"number": 1})


async def test_a_refusal_that_may_pass_leaves_the_key_free() -> None:
    async with upstream() as up:
        up.fails = CallFailedError("RATE_LIMITED", "too many", sent=False, transient=True)
        await failure(up.call(write()))
        up.fails = None
        await up.call(write())

    assert len(up.made) == 2


async def test_a_write_that_nobody_knows_the_outcome_of_is_never_made_again_under_its_key() -> None:
    async with upstream() as up:
        up.fails = CallFailedError("UPSTREAM_ERROR", "the upstream is gone", sent=True)
        await failure(up.call(write()))
        up.fails = None
        again = write()
        told = (await failure(up.call(again))).failure("write")

    assert (told.status, told.code, again.replayed) == ("unknown", "OUTCOME_UNKNOWN", True)
    assert "the upstream is gone (write 1 of the journal)" in told.message
    assert len(up.made) == 1


async def test_an_answer_that_comes_after_the_timeout_settles_the_record() -> None:
    async with upstream() as up:
        up.takes_s = 10
        late = (await failure(up.call(write(timeout_s=2)))).failure("write")
        between = (await failure(up.call(write(timeout_s=2)))).failure("write")
        await asyncio.sleep(10)

        assert late.code == between.code == "OUTCOME_UNKNOWN"
        assert await up.call(write()) == answer({"number": 1})
    assert len(up.made) == 1


async def test_what_nobody_ever_answers_is_given_up_in_the_end() -> None:
    async with upstream() as up:
        up.takes_s = 1e9
        await failure(up.call(write(timeout_s=2)))
        await asyncio.sleep(LATE_S + 1)

        assert up.given_up_at == pytest.approx(LATE_S + 2, abs=0.1)
        assert (await failure(up.call(write()))).code == "OUTCOME_UNKNOWN"


async def test_a_turn_ends_with_the_answer_and_the_reply_waits_until_that_is_written_down() -> None:
    async with upstream() as up:
        up.journal.settles_in_s = 5
        writes = [write(key) for key in "abc"]
        began_at = asyncio.get_running_loop().time()
        await all_at_once(*(up.call(one) for one in writes))

        assert [(one.started_at or 0) - began_at for one in writes] == pytest.approx([0, 1, 2], abs=0.1)
        assert asyncio.get_running_loop().time() - began_at == pytest.approx(8, abs=0.1)


async def test_a_caller_that_goes_leaves_a_write_in_flight_to_its_end() -> None:
    async with upstream() as up:
        async with asyncio.TaskGroup() as tasks:
            caller = tasks.create_task(up.make(write()))
            await asyncio.sleep(0.5)
            caller.cancel()
        await asyncio.sleep(1)

        assert await up.call(write()) == answer({"number": 1})
    assert len(up.made) == 1


async def test_a_caller_that_goes_from_a_queue_leaves_nothing_behind() -> None:
    async with upstream() as up:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(up.make(write("other")))
            await turns()
            caller = tasks.create_task(up.make(write()))
            await asyncio.sleep(0.5)
            caller.cancel()
        assert len(up.made) == 1

        assert await up.call(write(sum=2)) == answer({"number": 2})


async def test_where_the_first_goes_from_a_queue_the_next_makes_the_write() -> None:
    async with upstream() as up:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(up.make(write("other")))
            await turns()
            first = tasks.create_task(up.make(write()))
            await turns()
            following = tasks.create_task(up.make(write()))
            await turns()
            first.cancel()

        assert following.result() == answer({"number": 2})
    assert len(up.made) == 2


async def test_a_journal_that_cannot_be_written_refuses_writes_and_leaves_reads_alone() -> None:
    async with upstream() as up:
        up.journal.broken = True
        refusal = await failure(up.call(write(None)))
        assert await up.call(Attempt(tool(), {}, 30.0)) == answer({"number": 1})
        up.journal.broken = False
        await up.call(write(None))

    assert (refusal.code, refusal.sent) == ("DENIED", False)
    assert str(refusal) == (
        "not sent: headgate makes no write that it cannot record, and its journal cannot be written: the disk is full. "
        "Reads work as before"
    )
    assert len(up.made) == 2


async def test_a_key_is_forgotten_a_day_after_its_outcome() -> None:
    async with upstream() as up:
        await up.call(write())
        await asyncio.sleep(KEPT_S)
        await up.call(write(sum=2))

    assert len(up.made) == 2


@pytest.mark.parametrize(
    ("into", "seen"),
    [
        ("argument", ({"request_id": "k", "sum": 1}, None, None)),
        ("meta", ({"sum": 1}, {"request_id": "k"}, None)),
        ("header", ({"sum": 1}, None, {"request_id": "k"})),
    ],
)
async def test_the_key_goes_with_the_write_where_its_tool_takes_one(into: Any, seen: tuple[Any, Any, Any]) -> None:
    async with upstream() as up:
        await up.call(write(forward=Forward(into, "request_id")))
        await up.call(write(forward=Forward(into, "request_id")))

    (attempt,) = up.sent
    assert (attempt.arguments, attempt.meta, attempt.headers) == seen


async def test_what_two_principals_call_alike_is_not_one_write_to_the_server_either() -> None:
    async with upstream() as up:
        for principal in ("me", "you"):
            one = write(forward=Forward("meta", "key"))
            one.principal = principal
            await up.call(one)

    keys = {str(attempt.meta and attempt.meta["key"]) for attempt in up.sent}
    assert len(keys) == 2
    assert "k" not in keys


async def test_a_write_that_its_server_asks_something_for_first_is_not_made_yet() -> None:
    async with upstream() as up:
        up.asks = True
        assert (await up.call(write()))["resultType"] == "input_required"
        up.asks = False
        assert await up.call(write()) == answer({"number": 2})


async def test_without_a_key_of_the_callers_such_a_write_gets_one_of_its_own() -> None:
    async with upstream() as up:
        await up.call(write(None, forward=Forward("meta", "key")))
        await up.call(write(None, forward=Forward("meta", "key")))

    keys = {str(attempt.meta and attempt.meta["key"]) for attempt in up.sent}
    assert len(keys) == 2
    assert all(key.startswith("headgate-") for key in keys)


GONE = CallFailedError("UPSTREAM_ERROR", "gone", sent=True, transient=True)


async def test_a_write_that_may_be_repeated_is_one_write_however_often_it_goes_out() -> None:
    async with upstream() as up:
        up.fails, up.recovers_after = GONE, 2
        first, again = write(idempotent=True), write(idempotent=True)
        assert await up.call(first) == await up.call(again) == answer({"number": 3})

    assert (first.attempts, first.write, again.replayed) == (3, 1, True)


async def test_one_that_went_out_once_stays_in_doubt_though_it_could_not_go_out_again() -> None:
    async with upstream() as up:
        up.fails, up.down_after = GONE, 1
        first = (await failure(up.call(write(idempotent=True)))).failure("write")
        up.up, up.fails = True, None
        again = (await failure(up.call(write(idempotent=True)))).failure("write")

    assert first.code == again.code == "OUTCOME_UNKNOWN"
    assert len(up.made) == 1
