"""An upstream that fails every call, and one that is well again: what it sees of it, and what its callers do."""

import asyncio
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.proxy.parts import answer, attempt, definition, tool
from tests.virtual_time import VirtualLoop, in_virtual_time

from headgate.proxy.attempt import Attempt
from headgate.proxy.connection import CallFailedError
from headgate.proxy.limits import Limits
from headgate.proxy.memory import MemoryUpstream
from headgate.proxy.path import call_path
from headgate.proxy.upstreams import Upstreams
from headgate.server.opening import gate_over
from headgate.server.settings import HeadgateSettings, Settings
from headgate.tools.breaker import LONGEST_S
from headgate.tools.catalogue import Tool
from headgate.tools.retries import FLOOR
from headgate.tools.rules import ToolRules, UpstreamRules

CALLS = 10_000


class Weather:
    """An upstream that answers in 10 ms, with a 503 in bad times."""

    def __init__(self) -> None:
        self.bad = False
        self.seen = 0
        self.upstream = MemoryUpstream(
            [definition("look"), definition("pay", "write")], {"look": self.handle, "pay": self.handle}
        )

    async def handle(self, _arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self.seen += 1
        await asyncio.sleep(0.01)
        if self.bad:
            raise CallFailedError("UPSTREAM_ERROR", "HTTP 503", sent=True, transient=True)
        return answer()


@in_virtual_time
async def test_ten_thousand_calls_at_nothing_but_503_are_not_made_many_more() -> None:
    weather = Weather()
    weather.bad = True
    openers = {"up": (UpstreamRules(), weather.upstream.open)}
    async with gate_over(Settings(HeadgateSettings(max_calls=CALLS), {}), openers) as gate:
        await gate.settled(5)
        reply = await gate.batch([{"tool": "up__look", "arguments": {"n": number}} for number in range(CALLS)])

    codes = {result["error_code"] for result in reply["results"]}
    assert len(reply["results"]) == CALLS
    assert codes <= {"UPSTREAM_ERROR", "CIRCUIT_OPEN"}
    assert weather.seen <= 1.1 * CALLS + FLOOR
    assert weather.seen < CALLS / 10, "the breaker spares it nearly all of them"


@in_virtual_time
async def test_within_five_seconds_of_its_recovery_an_upstream_serves_all_again() -> None:
    weather = Weather()
    upstreams = Upstreams({"up": (UpstreamRules(), weather.upstream.open)})
    loop = asyncio.get_running_loop()
    good: list[float] = []

    async def one(look: Tool, number: int) -> None:
        try:
            await upstreams.call(Attempt(look, {"n": number}, 30.0, (), loop.time()))
        except CallFailedError:
            return
        good.append(loop.time())

    async with upstreams.running(), asyncio.TaskGroup() as tasks:
        await upstreams.settled(5)
        look = upstreams.catalogue.find("up__look")
        assert isinstance(look, Tool)
        weather.bad, began_at = True, loop.time()
        for number in range(40 * 50):  # 50 calls a second, open loop, for 40 s, of which 30 are bad
            tasks.create_task(one(look, number))
            await asyncio.sleep(0.02)
            weather.bad = loop.time() - began_at < 30

    well_at = began_at + 30
    served = [sum(second <= at - well_at < second + 1 for at in good) for second in range(10)]
    assert served[4:9] == [50] * 5, served
    assert sum(at < well_at for at in good) == 0
    assert upstreams.states()[0].circuit == "closed"


@in_virtual_time
async def test_a_circuit_that_only_writes_come_to_closes_by_itself() -> None:
    weather = Weather()
    upstreams = Upstreams({"up": (UpstreamRules(), weather.upstream.open)})
    loop = asyncio.get_running_loop()

    async def pay() -> str:
        found = upstreams.catalogue.find("up__pay")
        assert isinstance(found, Tool)
        try:
            await upstreams.call(Attempt(found, {}, 30.0, (), loop.time()))
        except CallFailedError as failed:
            return failed.failure("write").code
        return "ok"

    async with upstreams.running():
        await upstreams.settled(5)
        weather.bad = True
        assert [await pay() for _ in range(6)] == ["OUTCOME_UNKNOWN"] * 5 + ["CIRCUIT_OPEN"]
        weather.bad = False
        seen = weather.seen
        assert await pay() == "CIRCUIT_OPEN"
        await asyncio.sleep(LONGEST_S)
        assert await pay() == "ok"
        assert weather.seen == seen + 1


steps = st.lists(st.tuples(st.floats(0, 0.2), st.booleans()), max_size=120)


@given(steps, st.integers(0, 5))
def test_whatever_fails_an_upstream_sees_little_more_than_it_was_called(
    calls: list[tuple[float, bool]], retries: int
) -> None:
    seen = 0

    async def send(sending: Attempt) -> Mapping[str, Any]:
        nonlocal seen
        seen += 1
        sending.sent = True
        if sending.arguments["fails"]:
            raise CallFailedError("UPSTREAM_ERROR", "HTTP 503", sent=True, transient=True)
        return answer()

    async def main() -> float:
        call = call_path(Limits(UpstreamRules(), "up", lambda: 0.5), send)

        async def one(sending: Attempt) -> None:
            try:
                await call(sending)
            except CallFailedError:
                return

        async with asyncio.TaskGroup() as tasks:
            for number, (passes, failing) in enumerate(calls):
                await asyncio.sleep(passes)
                sending = attempt(tool(rules=ToolRules(retries=retries)))
                sending.arguments = {"n": number, "fails": failing}
                tasks.create_task(one(sending))
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        took_s = runner.run(main())
    assert seen <= 1.1 * len(calls) + FLOOR * (1 + took_s / 60)
