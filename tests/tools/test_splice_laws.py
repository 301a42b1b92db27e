"""In whatever order answers come, a batch with recipes gives what one by one gives."""

import random
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.tools.building import call, ref
from tests.tools.recipes import (
    Run,
    plan_of,
)

from headgate.tools.outcome import Failure

NAMES = ["s", "ctx", "p", "w", "v", "last", "fall"]


def everything() -> list[dict[str, Any]]:
    return [
        call("a.list", "s"),
        call("look", "ctx", key=ref("s", "$.k"), n=1),
        call("pay", "p", key=ref("ctx", "$.x", default="none")),
        call("b.put", "w", k=ref("p", "$.w.v", default=0)),
        call("look", "v", key="k", depends_on=["w"]),
        call("a.put", "last", v=ref("v", "$.y.v")),
        call("fall", "fall", key={"$x": 1}),
    ]


@given(
    st.sets(st.sampled_from(["s", "ctx.x", "ctx.y", "p.x", "p.w", "p.z", "w", "v.x", "v.y", "fall.x"])), st.randoms()
)
def test_in_any_order_of_answers_the_results_are_those_of_one_by_one(bad: set[str], chance: random.Random) -> None:
    def result_of(name: str, sent: Mapping[str, Any]) -> Any:
        return Failure("error", "TOOL_ERROR", name) if name in bad else {"k": name, "v": [name, dict(sent)]}

    results: list[Any] = []
    for one_by_one in (True, False):
        run = Run(plan_of(*everything(), one_by_one=one_by_one))
        while run.flying:
            assert not one_by_one or len(run.flying) == 1
            assert len({"p.w", "w", "last"} & set(run.flying)) <= 1
            name = chance.choice(sorted(run.flying))
            run.end(name, result_of(name, run.sent[name]))
        assert run.schedule.done
        assert [*run.results()] == NAMES
        results.append((run.results(), run.sent))
    assert results[0] == results[1]
