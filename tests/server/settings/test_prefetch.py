"""`[prefetch.NAME]` in the settings."""

import pytest
from tests.server.settings.reading import read, told

from headgate.tools.prefetch import PrefetchCall, PrefetchRule

RULE = "[prefetch.page]\nwhen = 'orders__get'\n"
CALLS = "calls = [{ tool = 'ships__get' }]\n"


def test_without_such_a_table_there_is_no_rule() -> None:
    assert read("").prefetch == {}


def test_a_rule_says_when_and_what_and_for_how_long() -> None:
    text = """
    [prefetch.order_page]
    when = "orders__get_order"
    within = "1m"
    calls = [
      { tool = "shipments__get", arguments = { order_id = { "$arg" = "order_id" }, all = true } },
      { tool = "stock__list" },
    ]
    """
    settings = read(text)

    calls = (
        PrefetchCall("shipments__get", {"order_id": {"$arg": "order_id"}, "all": True}),
        PrefetchCall("stock__list", {}),
    )
    assert settings.prefetch == {"order_page": PrefetchRule("orders__get_order", calls, 60)}
    assert settings.notices == ()


def test_a_result_is_kept_for_ten_seconds_if_nothing_else_is_said() -> None:
    assert read(RULE + CALLS).prefetch["page"].within_s == 10


def test_calls_may_be_an_array_of_tables() -> None:
    text = RULE + "[[prefetch.page.calls]]\ntool = 'a'\n[[prefetch.page.calls]]\ntool = 'b'\narguments.x = 1\n"

    assert [call.tool for call in read(text).prefetch["page"].calls] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (RULE + CALLS + "withn = '1s'", '4: prefetch.page.withn: unknown key; did you mean "within"?'),
        (
            RULE + "calls = [\n{ tool = 'a' },\n{ tool = 'b', argument = {} }]",
            '5: prefetch.page.calls[1].argument: unknown key; did you mean "arguments"?',
        ),
        (RULE + CALLS + "within = '6m'", '4: prefetch.page.within: "6m" is out of range: more than "0s", at most "5m"'),
        (RULE + CALLS + "calls_of = 1\nwithin = 10", "5: prefetch.page.within: a duration stands in quotes"),
        ("[prefetch.page]\n" + CALLS, "1: prefetch.page.when: name the tool"),
        ("[prefetch.page]\nwen = 'a'\n" + CALLS, '2: prefetch.page.wen: unknown key; did you mean "when"?'),
        (RULE, "1: prefetch.page.calls: list what is read ahead"),
        (RULE + "calls = []", "3: prefetch.page.calls: list what is read ahead"),
        (RULE + "calls = [{ tool = 'a' },\n{ arguments = {} }]", "4: prefetch.page.calls[1].tool: name the tool"),
        (RULE + "calls = ['a']", "3: prefetch.page.calls[0]: this is a table"),
        (
            RULE + "calls = [\n{ tool = 'a', arguments = { x = 1, y = [{ '$from' = 'z' }] } }]",
            '4: prefetch.page.calls[0].arguments.y[0]: "$from" means nothing here',
        ),
        ("[prefetch]\nwhen = 'a'", "2: prefetch.when: this is a table"),
        ("[prefech.x]", '1: prefech: unknown key; did you mean "prefetch"?'),
        ("[defaults]\nwithin = '3s'", "2: defaults.within: unknown key here; it belongs in [prefetch.NAME]"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: str) -> None:
    assert any(one.startswith(line) for one in told(text)), told(text)


def test_all_that_is_wrong_with_a_rule_is_told_once_and_together() -> None:
    text = "[prefetch.page]\nwithin = '1h'\ncalls = [{ tol = 'a' }]\n"

    assert [one.split(":")[1].strip() for one in told(text)] == [
        "prefetch.page.when",
        "prefetch.page.within",
        "prefetch.page.calls[0].tol",
    ]
