"""Reads that go out at once, without a task: what begins, what each end gives back, and what a task goes on with."""

import asyncio
import gc
from collections.abc import Mapping
from typing import Any

import pytest
from tests.proxy.parts import answer, attempt, tool, turns
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Attempt
from headgate.proxy.capacity import Capacity
from headgate.proxy.client import patient
from headgate.proxy.connection import CallFailedError
from headgate.proxy.direct import Direct
from headgate.proxy.limits import Limits
from headgate.proxy.path import call_path
from headgate.tools.rules import Rate, ToolRules, UpstreamRules

pytestmark = in_virtual_time

BROKEN = CallFailedError("UPSTREAM_ERROR", "the line broke", sent=True, transient=True)
REFUSED = CallFailedError("UPSTREAM_ERROR", "no", sent=True)


class Far:
    """The far end: keeps what was begun and what was sent, answers when it is told to."""

    def __init__(self, rules: UpstreamRules | None = None, *, unread: bool = False) -> None:
        self.limits = Limits(rules or UpstreamRules(), "far")
        self.path = call_path(self.limits, self.send, begin=self.carry)
        self.unread = unread
        self.begun: list[Direct] = []
        self.sent: list[Attempt] = []
        self.called_off = 0
        self.hangs = False

    def carry(self, direct: Direct) -> bool:
        self.begun.append(direct)
        direct.carried(self.call_off, explained)
        return True

    def call_off(self) -> bool:
        self.called_off += 1
        return self.unread

    async def send(self, sending: Attempt) -> Mapping[str, Any]:
        if sending.first is not None:
            first, sending.first = sending.first, None
            return first.result()
        self.sent.append(sending)
        sending.sent = True
        if self.hangs:
            await asyncio.sleep(3600)
        return answer("again")

    def begin(self, one: Attempt) -> Direct | None:
        """Have a read begin, as a driver does; `None` where it did not."""
        direct = Direct(one, self.told)
        return direct if self.path.begin(direct) else None

    def told(self, direct: Direct) -> None:
        if direct.state == "unsettled":
            direct.attempt.first = direct

    @property
    def is_idle(self) -> bool:
        """Whether no permit is taken and nothing can be joined."""
        upstream = self.limits.of(tool())[0][-1]
        return upstream.free == upstream.limit


def explained(error: Exception) -> CallFailedError:
    assert isinstance(error, CallFailedError)
    return error


def begun(far: Far, one: Attempt | None = None) -> Direct:
    direct = far.begin(one or attempt())
    assert direct is not None
    return direct


async def failure_of(calling: Any) -> CallFailedError:
    with pytest.raises(CallFailedError) as failed:
        await calling
    return failed.value


async def test_a_read_that_need_not_wait_is_on_its_way_at_once_and_its_end_gives_everything_back() -> None:
    far = Far()
    direct = begun(far)
    assert (direct.attempt.sent, far.is_idle) == (True, False)

    direct.set_result(answer("data"))

    assert (direct.state, direct.answer, far.is_idle) == ("answered", answer("data"), True)
    assert far.limits.durations.typical_s("look") == 0


@pytest.mark.parametrize("why", ["a permit", "its pace", "the batch's cap", "one like it", "the circuit"])
async def test_one_that_would_have_to_wait_does_not_begin_and_holds_nothing(why: str) -> None:
    rules = {"a permit": UpstreamRules(concurrency=1), "its pace": UpstreamRules(rate=Rate(1, 1.0, 1))}
    far = Far(rules.get(why))
    one = attempt(batch=(Capacity(0),)) if why == "the batch's cap" else attempt()
    if why == "a permit":
        begun(far)
    if why == "one like it":
        begun(far, Attempt(one.tool, one.arguments, one.timeout_s))
    if why == "the circuit":
        far.limits.circuit.breaker.closed = False
    before = [capacity.free for capacity in far.limits.of(tool())[0]]

    assert far.begin(one) is None

    assert [capacity.free for capacity in far.limits.of(tool())[0]] == before
    assert (one.started_at, one.held, one.sent) == (None, (), False)


async def test_what_cannot_be_carried_without_waiting_is_left_as_it_was() -> None:
    far = Far()
    far.path = call_path(far.limits, far.send)
    one = attempt()

    assert far.begin(one) is None

    assert far.is_idle
    assert await far.path(one) == answer("again")


async def test_reads_like_one_that_is_on_its_way_share_its_answer() -> None:
    far = Far()
    first, like_it = attempt(), attempt()
    like_it.arguments = first.arguments
    direct = begun(far, first)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(awaited(far.path(like_it)))
        await turns()
        direct.set_result(answer("shared"))

    assert following.result() == answer("shared")
    assert (like_it.coalesced, far.sent) == (True, [])


@pytest.mark.parametrize("unread", [False, True])
async def test_it_ends_when_its_time_is_over_and_so_do_those_that_wait_for_its_answer(*, unread: bool) -> None:
    far = Far(unread=unread)
    first = attempt(timeout_s=2)
    like_it = Attempt(first.tool, first.arguments, 2)
    direct = begun(far, first)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(failure_of(far.path(like_it)))
        await asyncio.sleep(1.999)
        assert direct.state == "under way"
        await asyncio.sleep(0.002)

    assert direct.state == "failed"
    assert direct.failure is not None
    assert direct.failure.code == ("UPSTREAM_UNAVAILABLE" if unread else "TOOL_TIMEOUT")
    assert following.result().code == direct.failure.code
    assert (far.called_off, far.is_idle) == (1, True)


async def test_one_that_is_called_off_gives_everything_back_and_the_first_that_waits_for_it_makes_the_call() -> None:
    far = Far()
    first = attempt()
    direct = begun(far, first)
    like_it = Attempt(first.tool, first.arguments, first.timeout_s)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(awaited(far.path(like_it)))
        await turns()
        direct.cancel()

    assert following.result() == answer("again")
    assert (far.sent, far.called_off, far.is_idle) == ([like_it], 1, True)


async def test_nothing_is_called_off_that_has_ended() -> None:
    far = Far()
    direct = begun(far)
    direct.set_result(answer())

    direct.cancel()
    await asyncio.sleep(60)

    assert (direct.state, far.called_off) == ("answered", 0)


async def test_a_task_makes_the_call_again_that_failed_on_its_way_and_holds_its_permits_once() -> None:
    far = Far()
    one = attempt(tool(rules=ToolRules(retries=2)))
    begun(far, one).set_exception(BROKEN)

    assert not far.is_idle
    assert await far.path(one) == answer("again")

    assert (one.attempts, far.sent, far.is_idle) == (2, [one], True)


async def test_a_failure_that_is_final_is_the_failure_of_all_who_wait_for_it() -> None:
    far = Far()
    one = attempt()
    like_it = Attempt(one.tool, one.arguments, one.timeout_s)
    direct = begun(far, one)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(failure_of(far.path(like_it)))
        await turns()
        direct.set_exception(REFUSED)
        assert str(await failure_of(far.path(one))) == "no"

    assert str(following.result()) == "no"
    assert (far.sent, far.is_idle) == ([], True)


async def test_failures_open_the_circuit_as_those_of_tasks_do() -> None:
    far = Far()
    for _ in range(5):
        one = attempt(tool(rules=ToolRules(retries=0)))
        begun(far, one).set_exception(BROKEN)
        await failure_of(far.path(one))

    assert far.begin(attempt()) is None
    assert (await failure_of(far.path(attempt()))).code == "CIRCUIT_OPEN"


async def test_an_open_circuit_does_not_swallow_what_came_of_the_first_attempt() -> None:
    far = Far()
    one = attempt(tool(rules=ToolRules(retries=0)))
    begun(far, one).set_exception(REFUSED)
    far.limits.circuit.breaker.closed = False

    assert str(await failure_of(far.path(one))) == "no"
    assert far.is_idle


async def test_the_clock_goes_on_where_it_was_when_a_task_takes_over() -> None:
    far = Far()
    one = attempt(tool(rules=ToolRules(retries=5)), timeout_s=3)
    direct = begun(far, one)
    await asyncio.sleep(2)
    direct.set_exception(BROKEN)

    far.hangs = True
    began = asyncio.get_running_loop().time()
    assert (await failure_of(far.path(one))).code == "TOOL_TIMEOUT"
    assert asyncio.get_running_loop().time() - began == pytest.approx(1, abs=0.01)


async def test_a_task_that_is_cancelled_before_it_goes_on_leaves_nothing_behind() -> None:
    far = Far()
    one = attempt()
    direct = begun(far, one)
    like_it = Attempt(one.tool, one.arguments, one.timeout_s)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(awaited(far.path(like_it)))
        await turns()
        direct.set_exception(BROKEN)
        going_on = tasks.create_task(go_on(far, one))
        going_on.add_done_callback(direct.leave)
        going_on.cancel()

    assert following.result() == answer("again")
    assert far.is_idle


async def test_while_its_client_is_asked_its_clock_stands_still() -> None:
    far = Far()
    direct = begun(far, attempt(timeout_s=2))
    direct.reschedule(None)
    await asyncio.sleep(60)
    assert (direct.state, direct.when()) == ("under way", None)

    direct.reschedule(asyncio.get_running_loop().time() + 2)
    await asyncio.sleep(2.01)
    assert direct.state == "failed"


class Slow:
    """A client whose person takes an hour over every question."""

    who = "somebody"
    capabilities: Mapping[str, Any] = {"elicitation": {}}
    meta: Mapping[str, Any] = {}
    wants_progress = takes_rounds = False

    async def ask(self, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        del method, params
        await asyncio.sleep(3600)
        return {}

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        del method, params


async def test_the_clock_runs_again_where_the_line_broke_while_the_client_was_asked() -> None:
    far = Far()
    one = attempt(tool(rules=ToolRules(retries=5)), timeout_s=3)
    direct = begun(far, one)
    far.hangs = True
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(patient(Slow(), one).ask("elicitation/create", {}))
        await asyncio.sleep(1)
        direct.set_exception(BROKEN)
        going_on = tasks.create_task(failure_of(far.path(one)))
        await turns()
        asking.cancel()

    assert going_on.result().code == "TOOL_TIMEOUT"


async def test_one_over_which_headgate_stumbles_ends_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    far = Far()
    first = attempt()
    like_it = Attempt(first.tool, first.arguments, first.timeout_s)
    direct = begun(far, first)

    def stumble(_direct: Direct) -> None:
        raise ValueError("a secret")

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(failure_of(far.path(like_it)))
        await turns()
        direct.tell(stumble)
        direct.set_result(answer())

    assert direct.failure is not None
    assert str(direct.failure) == str(following.result()) == "headgate could not make this call"
    assert "failed inside headgate" in caplog.text
    assert far.is_idle


async def test_whoever_asked_hears_of_an_end_even_if_it_has_stumbled_over_the_answer() -> None:
    far = Far()
    states: list[str] = []

    def stumble(direct: Direct) -> None:
        states.append(direct.state)
        raise ValueError("a secret")

    direct = Direct(attempt(), stumble)
    assert far.path.begin(direct)
    direct.set_result(answer())

    assert states == ["answered", "failed"]
    assert far.is_idle


async def test_a_thousand_answered_leave_no_rings_for_the_garbage_collector() -> None:
    far = Far(UpstreamRules(concurrency=2_000))
    gc.collect()
    gc.disable()
    try:
        for _ in range(1_000):
            begun(far).set_result(answer())
        far.begun.clear()
        assert gc.collect() < 100
    finally:
        gc.enable()


async def go_on(far: Far, one: Attempt) -> Mapping[str, Any]:
    return await far.path(one)


async def awaited(calling: Any) -> Any:
    return await calling
