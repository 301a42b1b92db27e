"""Limits that are changed while calls wait for them: what they have counted is kept, and all go by those of now."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.proxy.parts import all_at_once, answer, attempt, tool
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Attempt
from headgate.proxy.limits import Limits
from headgate.proxy.path import call_path
from headgate.tools.rules import Rate, ToolRules, UpstreamRules

pytestmark = in_virtual_time

SLOW = Rate(1, 1.0, 1)
QUICK = Rate(10, 1.0, 1)
PLENTY = Rate(100, 1.0, 100)


def look_by(pace: Rate | None = None, cap: int | None = None, **upstream: Any) -> UpstreamRules:
    return UpstreamRules(tools={"look": ToolRules(rate=pace, concurrency=cap)}, **upstream)


class Far:
    """The far end, under limits: it takes its time, and knows how many calls it had at once."""

    def __init__(self, rules: UpstreamRules, takes_s: float = 0.0) -> None:
        self.takes_s = takes_s
        self.limits = Limits(rules, "up", lambda: 1.0)
        self.call = call_path(self.limits, self.send)
        self.stamps: list[float] = []
        self.busy = self.most = 0

    async def send(self, _sending: Attempt) -> Mapping[str, Any]:
        self.stamps.append(asyncio.get_running_loop().time())
        self.busy += 1
        self.most = max(self.most, self.busy)
        await asyncio.sleep(self.takes_s)
        self.busy -= 1
        return answer()

    async def called(self, count: int, *, and_at_s: float | None = None, obey: UpstreamRules) -> None:
        """Make so many calls at once, and as many more when other rules come."""

        async def change() -> None:
            await asyncio.sleep(and_at_s or 0)
            self.limits.obey(obey)
            await all_at_once(*(self.call(attempt(tool())) for _ in range(count)))

        await all_at_once(change, *(self.call(attempt(tool())) for _ in range(count)))

    def gaps(self) -> list[float]:
        return [round(later - earlier, 1) for earlier, later in zip(self.stamps, self.stamps[1:], strict=False)]


@pytest.mark.parametrize("rules", [look_by(SLOW, rate=PLENTY), look_by(SLOW, cap=9)], ids=["the upstream's", "the cap"])
async def test_the_tokens_of_a_limit_are_not_given_out_again_when_another_limit_changes(rules: UpstreamRules) -> None:
    far = Far(look_by(SLOW))
    await far.called(2, and_at_s=0.5, obey=rules)
    await far.called(1, obey=look_by(SLOW))
    assert far.gaps() == [1.0] * 5


@pytest.mark.parametrize(
    "rules", [look_by(cap=1, rate=PLENTY), look_by(PLENTY, cap=1)], ids=["the upstream's", "its own"]
)
async def test_a_cap_is_kept_to_when_another_limit_changes(rules: UpstreamRules) -> None:
    far = Far(look_by(cap=1), takes_s=1)
    await far.called(3, and_at_s=0.5, obey=rules)
    assert far.most == 1


async def test_those_who_wait_for_their_pace_go_by_a_slower_one_from_then_on_together_with_those_who_come() -> None:
    far = Far(look_by(QUICK))
    await far.called(5, and_at_s=0.25, obey=look_by(SLOW))
    assert far.gaps() == [0.1, 0.1, *([1.0] * 7)]


@pytest.mark.parametrize(("rate", "gap"), [(QUICK, 0.1), (None, 0.0)])
async def test_those_who_wait_for_a_pace_that_is_quicker_now_or_lifted_are_let_go_at_once(
    rate: Rate | None, gap: float
) -> None:
    far = Far(look_by(Rate(1, 3_600.0, 1)))
    await far.called(3, and_at_s=2, obey=look_by(rate))
    assert far.gaps() == [2.0 + gap, *([gap] * 4)]


@pytest.mark.parametrize(
    "rules", [look_by(SLOW, concurrency=1), look_by(rate=SLOW, concurrency=1)], ids=["its own", "the upstream's"]
)
async def test_a_limit_where_there_was_none_holds_for_those_who_wait_already(rules: UpstreamRules) -> None:
    far = Far(look_by(concurrency=1), takes_s=0.5)
    await far.called(3, and_at_s=0.25, obey=rules)
    assert far.gaps() == [0.5, *([1.0] * 4)]


async def test_a_cap_where_there_was_none_holds_for_those_who_wait_already() -> None:
    far = Far(look_by(concurrency=1), takes_s=1)
    await far.called(3, and_at_s=0.5, obey=look_by(cap=2))
    assert far.gaps() == [0.5, 0.0, 1.0, 0.0, 1.0]


async def test_a_cap_that_grows_or_is_lifted_lets_those_in_who_wait_and_counts_those_who_are() -> None:
    far = Far(look_by(cap=1), takes_s=1)
    await far.called(2, and_at_s=0.5, obey=look_by(cap=3))
    assert far.gaps() == [0.5, 0.0, 0.5]
    assert far.most == 3

    await far.called(5, and_at_s=0.5, obey=look_by())
    assert far.most == 10
