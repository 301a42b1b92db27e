"""What an upstream's limits refuse: what would come too late, and what there is no room for. In virtual time."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.proxy.parts import all_at_once, answer, attempt, tool, turns
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Attempt, CallPath
from headgate.proxy.capacity import Capacity
from headgate.proxy.connection import CallFailedError, TurnedAwayError
from headgate.proxy.limits import LONGEST_PAUSE_S, Limits
from headgate.proxy.path import call_path
from headgate.tools.catalogue import Tool
from headgate.tools.rules import Rate, ToolRules, UpstreamRules

pytestmark = in_virtual_time

SLOW = tool("slow", rules=ToolRules(rate=Rate(1, 1.0, 1)))
PAY = tool("pay", "write", SLOW.rules)
"""One a second."""


class Far:
    """The far end: it answers after a while, or asks for patience so often."""

    def __init__(self, takes_s: float = 0.0, *patience_s: float) -> None:
        self.takes_s = takes_s
        self.patience_s = list(patience_s)
        self.stamps: list[float] = []

    async def send(self, sending: Attempt) -> Mapping[str, Any]:
        sending.sent = True
        self.stamps.append(round(asyncio.get_running_loop().time(), 2))
        await asyncio.sleep(self.takes_s)
        if self.patience_s:
            wait_s = self.patience_s.pop(0)
            raise CallFailedError("RATE_LIMITED", "HTTP 429", sent=False, transient=True, retry_after_s=wait_s)
        return answer()


class Batch:
    """Calls of one batch, which ends after so long."""

    def __init__(self, ends_at: float | None = None, reads: int = 8) -> None:
        self.cap = Capacity(reads)
        self.ends_at = ends_at

    def call(self, of: Tool | None = None, timeout_s: float = 30.0) -> Attempt:
        sending = attempt(of, timeout_s, (self.cap,))
        sending.asker, sending.deadline = self, self.ends_at
        return sending


def path_to(far: Far, **rules: Any) -> CallPath:
    tools = {of.name: of.rules for of in (SLOW, PAY)}
    return call_path(Limits(UpstreamRules(tools=tools, **rules), "up", lambda: 1.0), far.send)


async def test_a_call_planned_by_rules_of_before_goes_by_those_of_now_and_brings_nothing_back() -> None:
    far = Far(takes_s=1)
    limits = Limits(UpstreamRules(tools={"look": ToolRules(concurrency=1, rate=Rate(1, 60.0, 1))}), "up")
    call = call_path(limits, far.send)
    planned_before = tool("look", rules=limits.rules.of("look"))

    limits.obey(UpstreamRules(tools={"look": ToolRules(concurrency=2)}))
    await all_at_once(*(call(attempt(planned_before)) for _ in range(2)))
    await all_at_once(*(call(attempt(tool("look", rules=limits.rules.of("look")))) for _ in range(4)))

    assert far.stamps == pytest.approx([0, 0, 1, 1, 2, 2], abs=0.01)


async def ended(call: CallPath, sending: Attempt) -> tuple[str, float, float | None]:
    """How a call ends, when, and when to come back."""
    loop = asyncio.get_running_loop()
    try:
        await call(sending)
    except CallFailedError as failed:
        wait_s = None if failed.retry_after_s is None else round(failed.retry_after_s, 1)
        return failed.code, round(loop.time(), 1), wait_s
    return "ok", round(loop.time(), 1), None


async def test_what_a_rate_limit_cannot_serve_before_the_batch_ends_is_refused_at_once_and_says_when() -> None:
    call, batch = path_to(Far()), Batch(ends_at=4.5)

    outcomes = await all_at_once(*(ended(call, batch.call(SLOW)) for _ in range(7)))

    assert outcomes == [
        *(("ok", float(second), None) for second in range(5)),
        ("RATE_LIMITED", 0.0, 5.0),
        ("RATE_LIMITED", 0.0, 5.0),
    ]


async def test_a_write_is_refused_so_as_well_and_known_not_to_be_sent() -> None:
    call, batch = path_to(Far()), Batch(ends_at=0.5)
    await call(batch.call(PAY))

    with pytest.raises(TurnedAwayError, match=r"can be sent this call in 1\.0 s, which is too late for it") as refused:
        await call(batch.call(PAY))

    assert refused.value.failure("write").status == "error"


async def test_a_batch_of_one_is_not_refused_for_what_a_long_one_has_in_line() -> None:
    call, long, short = path_to(Far()), Batch(), Batch(ends_at=3.5)

    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(ended(call, long.call(SLOW))) for _ in range(50)]
        await turns()
        assert await ended(call, short.call(SLOW)) == ("ok", 3.0, None)
        for task in waiting:
            task.cancel()


async def test_who_is_overtaken_by_newer_batches_is_refused_when_its_turn_turns_out_to_come_too_late() -> None:
    call, old = path_to(Far()), Batch(ends_at=3.5)

    async with asyncio.TaskGroup() as tasks:
        mine = [tasks.create_task(ended(call, old.call(SLOW))) for _ in range(4)]
        await turns()
        others = [tasks.create_task(ended(call, Batch().call(SLOW))) for _ in range(3)]

    assert [task.result()[0] for task in mine] == ["ok", "ok", "ok", "RATE_LIMITED"]
    assert {task.result()[0] for task in others} == {"ok"}


async def test_calls_without_a_deadline_wait_for_their_pace_as_long_as_it_takes() -> None:
    call = path_to(Far())
    outcomes = await all_at_once(*(ended(call, attempt(SLOW, timeout_s=1)) for _ in range(40)))
    assert outcomes == [("ok", float(second), None) for second in range(40)]


async def test_an_identical_read_of_a_batch_with_more_time_is_not_refused_with_its_leader() -> None:
    far = Far()
    call, hurried, patient = path_to(far), Batch(ends_at=3.5), Batch()
    leader, follower = hurried.call(SLOW), patient.call(SLOW)
    follower.arguments = leader.arguments

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(ended(call, hurried.call(SLOW)))
        leading = tasks.create_task(ended(call, leader))
        await turns()
        following = tasks.create_task(ended(call, follower))
        await turns()
        for _ in range(5):
            tasks.create_task(ended(call, Batch().call(SLOW)))

    assert leading.result()[0] == "RATE_LIMITED"
    assert following.result()[0] == "ok"


async def test_an_upstream_that_asks_for_patience_is_left_alone_by_all() -> None:
    far = Far(0.0, 5.0)
    call = path_to(far)
    sending = [ended(call, Batch().call(timeout_s=20)) for _ in range(3)]

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(sending[0])
        await asyncio.sleep(1)
        later = [tasks.create_task(one) for one in sending[1:]]

    assert first.result() == ("ok", 5.0, None)
    assert [task.result() for task in later] == [("ok", 5.0, None)] * 2
    assert far.stamps == [0.0, 5.0, 5.0, 5.0]


@pytest.mark.parametrize(("timeout_s", "ends_at"), [(3.0, None), (30.0, 3.0)])
async def test_calls_without_that_patience_fail_at_once_and_say_when_to_come_back(
    timeout_s: float, ends_at: float | None
) -> None:
    far, batch = Far(0.0, 5.0), Batch(ends_at)
    call = path_to(far)

    assert await ended(call, batch.call(timeout_s=timeout_s)) == ("RATE_LIMITED", 0.0, 5.0)
    await asyncio.sleep(1)
    assert await ended(call, batch.call(timeout_s=timeout_s)) == ("RATE_LIMITED", 1.0, 4.0)
    assert len(far.stamps) == 1


async def test_those_who_wait_already_fail_at_once_too_when_the_pause_begins() -> None:
    far, batch = Far(0.5, *[40.0] * 8), Batch(ends_at=30.0)
    call = path_to(far, concurrency=4)

    outcomes = await all_at_once(*(ended(call, batch.call()) for _ in range(50)))

    assert {code for code, _, _ in outcomes} == {"RATE_LIMITED"}
    assert max(at for _, at, _ in outcomes) <= 0.5
    assert len(far.stamps) == 4


async def test_a_pause_holds_nothing_of_a_batch_up_but_the_calls_to_its_upstream() -> None:
    busy, free, batch = path_to(Far(0.0, 20.0)), path_to(Far()), Batch(reads=2)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(ended(busy, batch.call(timeout_s=60)))
        await asyncio.sleep(1)
        assert await ended(free, batch.call()) == ("ok", 1.0, None)

    assert batch.cap.free == 2


async def test_more_patience_than_is_reasonable_is_asked_for_in_vain() -> None:
    limits = Limits(UpstreamRules(), "up")
    call = call_path(limits, Far().send)
    limits.pause(3600)
    assert await ended(call, attempt(timeout_s=1000)) == ("ok", LONGEST_PAUSE_S, None)


async def test_no_more_calls_wait_than_there_is_room_for() -> None:
    far = Far(1.0)
    call = path_to(far, concurrency=1, queue=5)

    outcomes = await all_at_once(*(ended(call, attempt()) for _ in range(10)))

    assert sorted(code for code, _, _ in outcomes) == ["OVERLOADED"] * 4 + ["ok"] * 6
    assert max(at for code, at, _ in outcomes if code == "OVERLOADED") < 0.1


async def test_a_call_that_there_is_no_room_for_is_skipped_and_says_why() -> None:
    call = path_to(Far(1.0), concurrency=1, queue=1)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(ended(call, attempt()))
        await turns()
        with pytest.raises(TurnedAwayError) as refused:
            await call(attempt())

    assert str(refused.value) == 'upstream "up" has 1 waiting already: there is no room for this call'
    assert refused.value.failure("read").status == refused.value.failure("write").status == "skipped"


async def test_a_batch_takes_no_more_room_than_it_leaves_to_others() -> None:
    call, long, short = path_to(Far(1.0), concurrency=1, queue=10), Batch(), Batch()

    async with asyncio.TaskGroup() as tasks:
        mine = [tasks.create_task(ended(call, long.call())) for _ in range(10)]
        await turns()
        others = [tasks.create_task(ended(call, short.call())) for _ in range(3)]

    assert [task.result()[0] for task in mine] == ["ok"] * 6 + ["OVERLOADED"] * 4
    assert {task.result()[0] for task in others} == {"ok"}


async def test_no_more_writes_wait_for_their_turn_than_there_is_room_for() -> None:
    call, paying = path_to(Far(1.0), queue=2), tool("pay", "write")

    outcomes = await all_at_once(*(ended(call, attempt(paying)) for _ in range(5)))

    assert sorted(outcomes) == [("OVERLOADED", 0.0, None)] * 2 + [
        ("ok", 1.0, None),
        ("ok", 2.0, None),
        ("ok", 3.0, None),
    ]
