"""defaults < upstream < tool."""

from hypothesis import given
from hypothesis import strategies as st
from tests.server.settings.reading import one_upstream, read

from headgate.tools.rules import Rate, ToolRules, UpstreamRules

KEYS = {
    "timeout": ("'{}s'", "timeout_s", 30.0),
    "retries": ("{}", "retries", 2),
    "result_limit": ("'{}B'", "result_limit", None),
}
LEVELS = ["defaults", "upstreams.u", "upstreams.u.tools.t"]


@given(st.sampled_from(sorted(KEYS)), st.lists(st.none() | st.integers(1, 10), min_size=3, max_size=3))
def test_the_nearest_level_that_says_something_wins(key: str, said: list[int | None]) -> None:
    form, attribute, unsaid = KEYS[key]
    lines = ["upstreams.u.command = 'x'", "upstreams.u.tools.t.class = 'read'"]
    lines += [f"{level}.{key} = {form.format(n)}" for level, n in zip(LEVELS, said, strict=True) if n is not None]
    rules = read("\n".join(lines)).upstreams["u"].rules

    def nearest(levels: list[int | None]) -> float | None:
        return next((n for n in reversed(levels) if n is not None), unsaid)

    assert getattr(rules.of("t"), attribute) == nearest(said)
    assert getattr(rules.of("another"), attribute) == nearest(said[:2])


def test_without_a_word_all_is_as_the_rules_have_it() -> None:
    assert one_upstream("command = 'x'").rules == UpstreamRules()
    assert one_upstream("command = 'x'\ntools.t = {}").rules == UpstreamRules(tools={"t": ToolRules()})


def test_a_rate_of_an_upstream_is_one_bucket_and_not_that_of_its_tools() -> None:
    rules = one_upstream("command = 'x'\nrate_limit = '20/s'\nburst = 5\nconcurrency = 3").rules

    assert rules.rate == Rate(20, 1.0, 5)
    assert rules.concurrency == 3
    assert rules.of("t") == ToolRules()


def test_a_default_rate_is_each_tools_own_and_a_default_concurrency_each_upstreams() -> None:
    text = "[defaults]\nrate_limit = '9/h'\nburst = 2\nconcurrency = 4\n[upstreams.u]\ncommand = 'x'\n"
    rules = read(text + "tools.t.concurrency = 1\ntools.t.rate_limit = '1/s'").upstreams["u"].rules

    assert (rules.rate, rules.concurrency) == (None, 4)
    assert (rules.every_tool.rate, rules.every_tool.concurrency) == (Rate(9, 3600.0, 2), None)
    assert (rules.of("t").rate, rules.of("t").concurrency) == (Rate(1, 1.0, 2), 1)


def test_how_many_may_wait_is_said_of_an_upstream() -> None:
    assert one_upstream("command = 'x'\nqueue = 50").rules.queue == 50


def test_without_a_burst_all_of_a_rate_may_go_at_once() -> None:
    assert one_upstream("command = 'x'\nrate_limit = '30/min'").rules.rate == Rate(30, 60.0, 30)


def test_a_tool_says_its_class_its_resource_and_whether_it_may_be_repeated() -> None:
    text = "command = 'x'\ntools.t = { class = 'write', resource = 'order:{id}', idempotent = true }"

    assert one_upstream(text).rules.of("t") == ToolRules(kind="write", resource="order:{id}", idempotent=True)


def test_globs_say_which_tools_there_are() -> None:
    rules = one_upstream("command = 'x'\ninclude = ['get_*']\nexclude = ['*_all']").rules

    assert [rules.admits(tool) for tool in ("get_a", "get_all", "put")] == [True, False, False]


def test_annotations_are_trusted_of_what_runs_here_and_not_of_what_is_elsewhere() -> None:
    assert one_upstream("command = 'x'").rules.trust_annotations is True
    assert one_upstream("url = 'https://x'").rules.trust_annotations is False
    assert one_upstream("command = 'x'\ntrust_annotations = false").rules.trust_annotations is False
    assert one_upstream("url = 'https://x'\ntrust_annotations = true").rules.trust_annotations is True
