"""How long tools have taken of late."""

from collections.abc import Mapping
from typing import Any

import anyio
import pytest
from tests.virtual_time import in_virtual_time

from headgate.proxy.attempt import Attempt
from headgate.proxy.connection import CallFailedError
from headgate.proxy.durations import KEPT, Durations, measured
from headgate.tools.catalogue import Tool
from headgate.tools.rules import ToolRules

GET = Tool("up", "get", "up__get", "read", "", ToolRules(), {})


def test_of_a_tool_that_was_never_called_nothing_is_known() -> None:
    assert Durations().typical_s("get") is None


def test_the_typical_duration_is_the_median_of_the_latest_calls() -> None:
    durations = Durations()
    for seconds in (9.0,) * KEPT + (1.0, 2.0, 3.0) + (2.0,) * (KEPT - 3):
        durations.note("get", seconds)

    assert durations.typical_s("get") == 2.0


@in_virtual_time
async def test_calls_that_are_answered_are_measured_and_those_that_fail_are_not() -> None:
    async def send(attempt: Attempt) -> Mapping[str, Any]:
        await anyio.sleep(attempt.arguments["s"])
        if attempt.arguments["s"] > 5:
            raise CallFailedError("TOOL_TIMEOUT", "no answer", sent=True)
        return {}

    durations = Durations()
    call = measured(durations, send)
    await call(Attempt(GET, {"s": 3}, 30))
    with pytest.raises(CallFailedError):
        await call(Attempt(GET, {"s": 9}, 30))

    assert durations.typical_s("get") == pytest.approx(3, abs=0.01)
