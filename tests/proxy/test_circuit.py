"""The circuit of an upstream: which failures open it, and what closes it again. In virtual time."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.proxy.parts import all_at_once, answer, attempt, tool
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Attempt
from headgate.proxy.connection import AnsweredWithErrorError, CallFailedError, UnavailableError
from headgate.proxy.limits import Limits
from headgate.proxy.path import call_path
from headgate.tools.breaker import FIRST_S, IN_A_ROW
from headgate.tools.rules import ToolRules, UpstreamRules

pytestmark = in_virtual_time

DOWN = CallFailedError("UPSTREAM_ERROR", "HTTP 503", sent=True, transient=True)
READ = tool("look", rules=ToolRules(retries=0, timeout_s=1))
WRITE = tool("pay", "write")


class Upstream:
    """The far end: each call ends as it is told, after as long as it is told."""

    def __init__(self) -> None:
        self.failure: CallFailedError | None = DOWN
        self.takes_s = 0.0
        self.calls = self.probes = 0
        self.is_well = True
        self.limits = Limits(UpstreamRules(), "up", lambda: 1.0)
        self.call = call_path(self.limits, self.send, self.probe)

    async def send(self, sending: Attempt) -> Mapping[str, Any]:
        sending.sent = True
        self.calls += 1
        await asyncio.sleep(self.takes_s)
        if self.failure is not None:
            raise self.failure.copy()
        return answer()

    async def probe(self) -> None:
        self.probes += 1
        await asyncio.sleep(0.1)
        if not self.is_well:
            raise UnavailableError("no answer to tools/list in 3 s")

    @property
    def state(self) -> str:
        return self.limits.circuit.breaker.state(asyncio.get_running_loop().time())

    async def code(self, sending: Attempt | None = None) -> str:
        """How a call of it ends, in a word."""
        try:
            await self.call(sending or attempt(READ, timeout_s=1))
        except CallFailedError as failed:
            return failed.code
        return "ok"

    async def opened(self) -> "Upstream":
        for _ in range(IN_A_ROW):
            await self.code()
        assert self.state == "open"
        self.calls = 0
        return self


async def test_open_it_refuses_at_once_and_says_when_to_come_back() -> None:
    up = await Upstream().opened()

    with pytest.raises(CallFailedError) as failed:
        await up.call(attempt(READ))

    assert (failed.value.code, failed.value.sent) == ("CIRCUIT_OPEN", False)
    assert failed.value.retry_after_s == pytest.approx(FIRST_S, abs=0.01)
    assert str(failed.value) == 'calls to upstream "up" keep failing, so they are held back; one may try in 0.5 s'
    assert up.calls == 0


@pytest.mark.parametrize(
    "failure",
    [
        AnsweredWithErrorError("no such order"),
        CallFailedError("UPSTREAM_ERROR", "HTTP 403", sent=True),
        CallFailedError("RATE_LIMITED", "HTTP 429", sent=True, transient=True),
        CallFailedError("RESULT_TOO_LARGE", "9 MB", sent=True),
        None,
    ],
)
async def test_what_an_upstream_answers_does_not_open_it(failure: CallFailedError | None) -> None:
    up = Upstream()
    up.failure = failure
    for _ in range(50):
        await up.code()
    assert up.state == "closed"


async def test_an_upstream_without_a_session_is_its_owners_to_open_again() -> None:
    async def not_up(_sending: Attempt) -> Mapping[str, Any]:
        raise CallFailedError("UPSTREAM_UNAVAILABLE", "it is not available", sent=False, transient=True)

    limits = Limits(UpstreamRules(), "up")
    call = call_path(limits, not_up)
    for _ in range(50):
        with pytest.raises(CallFailedError, match="not available"):
            await call(attempt(READ))
    assert limits.circuit.breaker.closed


async def test_no_answer_in_the_time_that_the_operator_gives_counts_and_a_caller_in_a_hurry_does_not() -> None:
    up = Upstream()
    up.takes_s = 30
    for _ in range(50):
        assert await up.code(attempt(READ, timeout_s=0.9)) == "TOOL_TIMEOUT"
    assert up.state == "closed"

    for _ in range(IN_A_ROW):
        assert await up.code() == "TOOL_TIMEOUT"
    assert up.state == "open"


async def test_calls_that_hang_together_each_count() -> None:
    up = Upstream()
    up.takes_s = 30
    await all_at_once(*(up.code() for _ in range(IN_A_ROW)))
    assert up.state == "open"


async def test_a_cancelled_call_says_nothing_and_leaves_the_probe_to_the_next() -> None:
    up = await Upstream().opened()
    up.takes_s = 10
    await asyncio.sleep(FIRST_S)
    async with asyncio.TaskGroup() as tasks:
        probe = tasks.create_task(up.code())
        await asyncio.sleep(0.1)
        assert await up.code() == "CIRCUIT_OPEN"
        probe.cancel()
    up.takes_s, up.failure = 0, None

    assert await up.code() == "ok"
    assert up.state == "closed"


async def test_one_read_finds_out_and_the_others_are_refused_meanwhile() -> None:
    up = await Upstream().opened()
    up.takes_s, up.failure = 0.2, None
    await asyncio.sleep(FIRST_S)

    codes = await all_at_once(*(up.code() for _ in range(5)))

    assert codes == ["ok"] + ["CIRCUIT_OPEN"] * 4
    assert up.calls == 1
    assert await all_at_once(*(up.code() for _ in range(5))) == ["ok"] * 5


async def test_a_write_is_no_probe_it_has_the_upstream_asked_first() -> None:
    up = await Upstream().opened()
    up.is_well = False
    await asyncio.sleep(FIRST_S)

    assert await up.code(attempt(WRITE)) == "CIRCUIT_OPEN"
    assert (up.calls, up.probes) == (0, 1)

    up.is_well, up.failure = True, None
    await asyncio.sleep(2 * FIRST_S)
    assert await up.code(attempt(WRITE)) == "ok"
    assert (up.calls, up.probes) == (1, 2)
    assert up.state == "closed"


async def test_a_call_that_waits_for_its_permit_when_it_opens_is_refused_before_it_goes_out() -> None:
    up = Upstream()
    up.takes_s = 0.1

    codes = await all_at_once(*(up.code() for _ in range(300)))

    assert codes.count("CIRCUIT_OPEN") == 300 - up.calls
    assert up.calls < 100


async def test_a_call_does_not_try_again_once_it_is_open() -> None:
    up = Upstream()
    eager = tool(rules=ToolRules(retries=10))
    await all_at_once(*(up.code(attempt(eager)) for _ in range(3)))
    assert up.state == "open"
    assert up.calls < 3 * 11


async def test_it_is_logged_once_when_calls_are_held_back_and_once_when_they_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    up = await Upstream().opened()
    for _ in range(5):
        await asyncio.sleep(4)
        await up.code()
    up.failure = None
    await asyncio.sleep(4)
    await up.code()

    assert [record.getMessage() for record in caplog.records] == [
        'calls to upstream "up" keep failing: they are held back until one is answered',
        'upstream "up" answers again',
    ]
