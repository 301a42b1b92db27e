"""What an operator said of tools and upstreams."""

import pytest

from headgate.tools.rules import ToolRules, UpstreamRules


def test_a_tool_without_rules_of_its_own_has_those_of_every_tool() -> None:
    own, every = ToolRules(timeout_s=1), ToolRules(timeout_s=2)
    rules = UpstreamRules(every_tool=every, tools={"x": own})

    assert rules.of("x") is own
    assert rules.of("y") is every


@pytest.mark.parametrize(
    ("include", "exclude", "admitted"),
    [
        ((), (), ["get_a", "put_a", "Get_b"]),
        (("get_*",), (), ["get_a"]),
        ((), ("get_*",), ["put_a", "Get_b"]),
        (("*_a",), ("put_*",), ["get_a"]),
        (("nothing",), (), []),
        (("get_?", "[GP]et_b"), (), ["get_a", "Get_b"]),
    ],
)
def test_globs_say_what_is_listed_and_callable(
    include: tuple[str, ...], exclude: tuple[str, ...], admitted: list[str]
) -> None:
    rules = UpstreamRules(include=include, exclude=exclude)

    assert [name for name in ("get_a", "put_a", "Get_b") if rules.admits(name)] == admitted
