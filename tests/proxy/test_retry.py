"""Calls that are made again when they fail: which, how often, when, and on whose time. In virtual time."""

import asyncio
import gc
import weakref
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from tests.proxy.parts import all_at_once, answer, attempt, tool
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Ahead, Attempt, CallPath
from headgate.proxy.capacity import Capacity
from headgate.proxy.connection import AnsweredWithErrorError, CallFailedError, SessionCameError
from headgate.proxy.limits import Limits
from headgate.proxy.path import call_path
from headgate.tools.breaker import IN_A_ROW
from headgate.tools.outcome import ErrorCode
from headgate.tools.rules import Forward, Rate, ToolRules, UpstreamRules

pytestmark = in_virtual_time


def broken(
    code: ErrorCode = "UPSTREAM_ERROR", *, sent: bool = True, transient: bool = True, after_s: float | None = None
) -> CallFailedError:
    return CallFailedError(code, "HTTP 503", sent=sent, transient=transient, retry_after_s=after_s)


class Flaky:
    """The far end: it fails as it is told, one after another, and answers from then on."""

    def __init__(self, *failures: CallFailedError, takes_s: float = 0.0) -> None:
        self.failures = list(failures)
        self.takes_s = takes_s
        self.stamps: list[float] = []

    async def send(self, sending: Attempt) -> Mapping[str, Any]:
        sending.sent = True
        self.stamps.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.takes_s)
        if self.failures:
            raise self.failures.pop(0)
        return answer()


def path_to(sink: Flaky, rules: UpstreamRules | None = None, chance: float = 1.0) -> CallPath:
    return call_path(Limits(rules or UpstreamRules(), "up", lambda: chance), sink.send)


def write(**rules: Any) -> Attempt:
    return attempt(tool("pay", "write", ToolRules(**rules)))


async def fails(call: CallPath, sending: Attempt) -> CallFailedError:
    with pytest.raises(CallFailedError) as failed:
        await call(sending)
    return failed.value


async def test_a_read_that_fails_in_passing_is_made_again_and_answers() -> None:
    sink, sending = Flaky(broken(), broken()), attempt()

    assert await path_to(sink)(sending) == answer()

    assert sending.attempts == 3
    assert [round(later, 3) for later in sink.stamps] == [0.0, 0.2, 0.6]


class Body:
    """What a frame may hold, such as the part of an answer that has come in."""


@pytest.mark.parametrize("transient", [False, True])
async def test_what_a_call_held_that_failed_for_good_goes_with_it(transient: bool) -> None:  # noqa: FBT001 - a case
    bodies: list[weakref.ref[Body]] = []

    async def send(_sending: Attempt) -> Mapping[str, Any]:
        body = Body()
        bodies.append(weakref.ref(body))
        raise broken(transient=transient)

    gc.disable()
    try:
        with suppress(CallFailedError):
            await call_path(Limits(UpstreamRules(), "up", lambda: 1.0), send)(attempt())
        assert [body() for body in bodies] == [None] * (3 if transient else 1)
    finally:
        gc.enable()


async def test_the_wait_is_chance() -> None:
    sink = Flaky(broken(), broken())
    await path_to(sink, chance=0.25)(attempt())
    assert [round(later, 3) for later in sink.stamps] == [0.0, 0.05, 0.15]


@pytest.mark.parametrize(("retries", "sent"), [(0, 1), (1, 2), (2, 3), (4, 5)])
async def test_it_goes_out_as_often_as_the_operator_allows(retries: int, sent: int) -> None:
    sink = Flaky(*(broken() for _ in range(9)))

    failed = await fails(path_to(sink), attempt(tool(rules=ToolRules(retries=retries)), timeout_s=100))

    assert len(sink.stamps) == sent
    assert failed.code == "UPSTREAM_ERROR"


@pytest.mark.parametrize(
    "failure",
    [
        broken(transient=False),
        CallFailedError("RESULT_TOO_LARGE", "9 MB", sent=True),
        AnsweredWithErrorError("no such order"),
    ],
)
async def test_a_read_whose_failure_would_only_repeat_itself_is_not_made_again(failure: CallFailedError) -> None:
    sink = Flaky(failure)
    assert await fails(path_to(sink), attempt()) is failure
    assert len(sink.stamps) == 1


async def test_an_error_that_a_tool_reports_is_an_answer() -> None:
    hurt: dict[str, Any] = {"content": [], "isError": True}
    calls = 0

    async def send(_sending: Attempt) -> Mapping[str, Any]:
        nonlocal calls
        calls += 1
        return hurt

    assert await call_path(Limits(UpstreamRules()), send)(attempt()) == hurt
    assert calls == 1


async def test_a_call_made_ahead_is_not_made_again() -> None:
    sink, sending = Flaky(broken()), attempt()
    sending.ahead = Ahead(10, lambda _ahead: None)
    await fails(path_to(sink), sending)
    assert len(sink.stamps) == 1


async def test_a_write_that_may_have_been_applied_is_never_made_again() -> None:
    sink, sending = Flaky(broken()), write()

    failed = await fails(path_to(sink), sending)

    assert failed.failure("write").code == "OUTCOME_UNKNOWN"
    assert len(sink.stamps) == sending.attempts == 1


async def test_a_write_that_provably_never_left_is_made_again() -> None:
    sink, sending = Flaky(broken("UPSTREAM_UNAVAILABLE", sent=False)), write()
    assert await path_to(sink)(sending) == answer()
    assert sending.attempts == 2


async def test_a_write_that_was_refused_with_too_many_requests_is_not_made_again_by_guess() -> None:
    sink = Flaky(broken("RATE_LIMITED", sent=False))
    failed = await fails(path_to(sink), write())
    assert failed.failure("write").code == "RATE_LIMITED"
    assert len(sink.stamps) == 1


@pytest.mark.parametrize("meanwhile", ["calls are held back", "its time is over"])
async def test_a_write_seen_once_stays_unknown_though_it_is_not_let_out_once_a_session_has_come(meanwhile: str) -> None:
    limits, sink, loop = Limits(UpstreamRules(), "up", lambda: 1.0), Flaky(broken()), asyncio.get_running_loop()

    async def send(sending: Attempt) -> Mapping[str, Any]:
        if not sink.stamps:
            return await sink.send(sending)
        if meanwhile == "its time is over":
            limits.pause(60)
        for _ in range(IN_A_ROW if meanwhile == "calls are held back" else 0):
            limits.circuit.breaker.failed(object(), loop.time(), loop.time(), 1.0)
        raise SessionCameError(spent=False)

    failed = await fails(call_path(limits, send), write(idempotent=True))
    assert failed.failure("write").code == "OUTCOME_UNKNOWN"


@pytest.mark.parametrize("code", ["UPSTREAM_ERROR", "RATE_LIMITED"])
async def test_a_write_declared_idempotent_is_made_again(code: ErrorCode) -> None:
    sink = Flaky(broken(code))
    assert await path_to(sink)(write(idempotent=True)) == answer()


async def test_a_write_that_goes_out_under_a_key_is_made_again_and_not_without_one() -> None:
    forward = Forward("header", "Idempotency-Key")
    sending = write(forward=forward)
    sending.write = 1  # it is in the journal, which gave it its key
    assert await path_to(Flaky(broken()))(sending) == answer()

    assert (await fails(path_to(Flaky(broken())), write(forward=forward))).sent


async def test_a_write_seen_once_stays_unknown_though_the_next_attempt_never_left() -> None:
    sink = Flaky(broken(), broken(sent=False, transient=False))
    failed = await fails(path_to(sink), write(idempotent=True))
    assert failed.failure("write").code == "OUTCOME_UNKNOWN"


async def test_a_write_seen_once_stays_unknown_though_the_next_attempt_is_answered_with_an_error() -> None:
    sink = Flaky(broken(), AnsweredWithErrorError("no such order"))
    failed = await fails(path_to(sink), write(idempotent=True))
    assert failed.told("write").code == failed.failure("write").code == "OUTCOME_UNKNOWN"


async def test_a_write_seen_once_stays_unknown_though_its_clock_ends_before_the_next_attempt_has_left() -> None:
    sink = Flaky(broken())

    async def send(sending: Attempt) -> Mapping[str, Any]:
        if not sink.stamps:
            return await sink.send(sending)
        sending.sent = True
        try:
            return await asyncio.Event().wait() and {}
        finally:
            sending.sent = False  # it was taken back

    call = call_path(Limits(UpstreamRules(), "up", lambda: 1.0), send)
    assert (await fails(call, write(idempotent=True))).failure("write").code == "OUTCOME_UNKNOWN"


async def test_the_clock_of_a_call_bounds_all_its_attempts() -> None:
    sink, sending = Flaky(broken(), broken(), takes_s=0.5), attempt(timeout_s=1.1)

    failed = await fails(path_to(sink), sending)

    assert failed.code == "TOOL_TIMEOUT"
    assert asyncio.get_running_loop().time() == pytest.approx(1.1, abs=0.01)
    assert sending.attempts == 2


async def test_no_retry_where_there_is_no_time_for_the_wait_and_a_usual_answer() -> None:
    sink = Flaky(takes_s=0.5)
    call = path_to(sink)
    await call(attempt())
    sink.failures = [broken()]
    sink.takes_s = 0.1

    failed = await fails(call, attempt(timeout_s=0.75))

    assert failed.code == "UPSTREAM_ERROR"
    assert len(sink.stamps) == 2


async def test_no_retry_beyond_the_end_of_the_batch() -> None:
    sink, sending = Flaky(broken()), attempt()
    sending.deadline = 0.15
    assert (await fails(path_to(sink), sending)).code == "UPSTREAM_ERROR"
    assert len(sink.stamps) == 1


async def test_while_it_waits_for_its_retry_a_call_holds_nothing() -> None:
    batch, sink = (Capacity(1),), Flaky(broken())
    call = path_to(sink, UpstreamRules(concurrency=1))

    async with asyncio.TaskGroup() as tasks:
        retried = tasks.create_task(_await(call(attempt(batch=batch))))
        await asyncio.sleep(0.1)
        assert batch[0].free == 1
        await call(attempt(batch=batch))
        assert not retried.done()

    assert batch[0].free == 1


async def _await(calling: Any) -> Any:
    return await calling


async def test_each_attempt_takes_a_token_of_the_rate_limit() -> None:
    sink = Flaky(*(broken() for _ in range(3)))
    call = path_to(sink, UpstreamRules(rate=Rate(1, 1.0, 1)))

    await all_at_once(*(call(attempt()) for _ in range(4)))

    assert len(sink.stamps) == 7
    assert min(later - earlier for earlier, later in zip(sink.stamps, sink.stamps[1:], strict=False)) >= 1 - 1e-9


@pytest.mark.parametrize("cancel_after", [0.05, 0.15, 0.35, 0.5, 0.7])
async def test_wherever_a_retried_call_is_cancelled_it_leaves_nothing_taken(cancel_after: float) -> None:
    batch, sink = (Capacity(2),), Flaky(*(broken() for _ in range(100)), takes_s=0.1)
    limits = Limits(UpstreamRules(concurrency=2, rate=Rate(20, 1.0, 1)), "up", lambda: 1.0)
    call = call_path(limits, sink.send)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_outcome(call(attempt(batch=batch)))) for _ in range(4)]
        await asyncio.sleep(cancel_after)
        for task in running:
            task.cancel()

    assert batch[0].free == 2
    assert limits.of(tool())[0][0].free == 2


async def _outcome(calling: Any) -> object:
    try:
        return await calling
    except CallFailedError as failed:
        return failed


async def test_an_upstream_that_asks_for_patience_gets_it() -> None:
    sink, sending = Flaky(broken("RATE_LIMITED", after_s=3)), attempt()
    assert await path_to(sink)(sending) == answer()
    assert [round(later, 3) for later in sink.stamps] == [0.0, 3.0]


async def test_a_call_that_has_not_the_time_for_that_patience_fails_at_once_and_says_how_long() -> None:
    sink = Flaky(broken("RATE_LIMITED", after_s=3))

    failed = await fails(path_to(sink), attempt(timeout_s=2))

    assert (failed.code, failed.retry_after_s) == ("RATE_LIMITED", 3)
    assert asyncio.get_running_loop().time() < 0.01
