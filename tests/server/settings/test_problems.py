"""What is wrong with a file, told to the one who wrote it."""

import pytest
from tests.server.settings.reading import EVERY_KEY, one_upstream, read, refusal, told

from headgate.server.settings import Problem
from headgate.tools.rules import Rate

U = "[upstreams.u]\ncommand = 'x'\n"


def test_an_unknown_key_names_the_nearest_known_one() -> None:
    assert told(U + "timout = '3s'") == ['3: upstreams.u.timout: unknown key; did you mean "timeout"?']


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("[headgat]", "headgate"),
        ("[upstream.u]\ncommand = 'x'", "upstreams"),
        ("[headgate]\nPARALLEL = true", "parallel"),
        ("[defaults]\nretry = 1", "retries"),
        ("[upstreams.u]\ncomand = 'x'", "command"),
        (U + "[upstreams.u.tools.t]\nclas = 'read'", "class"),
        ("[recipes.r]\ncalls = [{ tool = 't' }]\nparam = 1", "params"),
    ],
)
def test_the_nearest_key_is_one_of_the_same_level(text: str, near: str) -> None:
    (line,) = told(text)

    assert line.endswith(f'unknown key; did you mean "{near}"?')


def test_a_key_of_another_level_is_told_where_it_belongs() -> None:
    assert told(U + "class = 'read'") == [
        "3: upstreams.u.class: unknown key here; it belongs in [upstreams.NAME.tools.TOOL]"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mcpServers.a]\ncommand = 'x'", "1: mcpServers: servers stand under [upstreams.NAME]; 'headgate init --from"),
        ("[servers.a]\ncommand = 'x'", "1: servers: servers stand under [upstreams.NAME]"),
        (U + "type = 'stdio'", "3: upstreams.u.type: take it out: whether there is a command, a url or http says it"),
        (U + "disabled = true", "3: upstreams.u.disabled: there is no such switch: put a # before each line"),
    ],
)
def test_a_key_out_of_a_clients_own_config_is_told_what_there_is_instead(text: str, said: str) -> None:
    (line,) = told(text)

    assert line.startswith(said)


@pytest.mark.parametrize("resource", ["order:{order_id", "order:order_id}", "{}", "{{order_id}}"])
def test_a_resource_that_would_be_the_same_for_all_calls_by_a_slip_is_refused(resource: str) -> None:
    (line,) = told(f"{U}tools.t.resource = '{resource}'")

    assert line.startswith("3: upstreams.u.tools.t.resource: each { needs its } with an argument's name between them")


def test_a_key_like_no_other_is_told_what_there_is() -> None:
    assert told("zzz = 1") == [
        "1: zzz: unknown key; known here: headgate, defaults, upstreams, recipes, prefetch, serve, tenants"
    ]


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = """
[upstreams.b]
command = 5
concurrency = 0
[upstreams.a]
url = "ftp://x"
burst = 3
[headgate]
max_calls = "many"
unknown = 1
[upstreams.c]
env = { A = "${MISSING}" }
command = "c"
tools.t.timeout = 3
"""
    error = refusal(text, HEADGATE_PARALLEL="x")

    assert [(problem.line, problem.where) for problem in error.problems] == [
        (None, "HEADGATE_PARALLEL"),
        (3, "upstreams.b.command"),
        (4, "upstreams.b.concurrency"),
        (6, "upstreams.a.url"),
        (7, "upstreams.a.burst"),
        (9, "headgate.max_calls"),
        (10, "headgate.unknown"),
        (12, "upstreams.c.env.A"),
        (14, "upstreams.c.tools.t.timeout"),
    ]
    assert str(error).count("\n") == len(error.problems) - 1


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("timeout = 30", 'write "30s" if seconds are meant'),
        ("timeout = true", '"250ms"'),
        ("result_limit = 8000", '"8KB"'),
        ("rate_limit = 20", '"20/s"'),
        ("concurrency = '4'", "write a whole number from 1 to 10000, without quotes"),
        ("retries = 11", "write a whole number from 0 to 10, without quotes"),
        ("retries = true", "write a whole number from 0 to 10, without quotes"),
        ("trust_annotations = 'yes'", "write true or false, without quotes"),
        ("trust_annotations = 1", "write true or false, without quotes"),
        ("include = 'get_*'", 'write a list, such as ["a", "b"]'),
        ("cwd = 3", "write text in quotes"),
        ("env = 'A=1'", "this is a table: write keys below a [header], or { key = value }"),
        ("tools = ['t']", "this is a table: write keys below a [header], or { key = value }"),
        ("tools.t = 1", "this is a table: write keys below a [header], or { key = value }"),
        ("tools.t.class = 'reed'", 'write "read" or "write"'),
        ("tools.t.idempotent = 'no'", "write true or false, without quotes"),
    ],
)
def test_a_value_of_the_wrong_type_is_told_what_to_write(line: str, advice: str) -> None:
    (problem,) = refusal(U + line).problems

    assert problem.line == 3
    assert problem.where == "upstreams.u." + line.partition(" = ")[0]
    assert advice in problem.message


def test_what_is_wrong_in_a_list_is_told_with_its_place() -> None:
    assert told(U + "args = [\n 'a',\n 1,\n]") == ["5: upstreams.u.args[1]: write text in quotes"]


def test_several_wrong_items_of_a_list_leave_the_rest_of_the_upstream_to_be_checked() -> None:
    assert [problem.line for problem in refusal("[upstreams.u]\nurl = 'x'\nexclude = [\n1,\n2]").problems] == [2, 4, 5]


def test_what_is_wrong_already_is_not_also_told_to_be_missing() -> None:
    assert told("[upstreams.u]\ncommand = 5\nargs = []") == ["2: upstreams.u.command: write text in quotes"]
    assert len(told(U + "rate_limit = 5\nburst = 1")) == 1
    assert len(told("defaults.rate_limit = 5\n" + U + "tools.t.burst = 1")) == 1
    assert len(told("[upstreams.u]\nhttp = 5\ntools.t.path = '/x'")) == 1


@pytest.mark.parametrize("where", ["[defaults]\nburst = 2", U + "burst = 2", U + "tools.t.burst = 2"])
def test_a_burst_needs_a_rate(where: str) -> None:
    (line,) = told(where)

    assert "burst needs a rate_limit beside it" in line


def test_a_burst_of_a_tool_may_be_that_of_the_default_rate() -> None:
    text = "[defaults]\nrate_limit = '9/min'\n[upstreams.u]\ncommand = 'x'\ntools.t.burst = 2"

    assert read(text).upstreams["u"].rules.of("t").rate == Rate(9, 60.0, 2)


@pytest.mark.parametrize("name", ["a__b", "a b", "x" * 25, '""', "ä", '"a.b"'])
def test_an_upstream_has_a_name_that_tools_can_be_called_by(name: str) -> None:
    key = name if name.startswith('"') else f'"{name}"'
    (line,) = told(f"[upstreams.{key}]\ncommand = 'x'")

    assert "an upstream's name is 1 to 24 letters, digits, hyphens and underscores" in line


def test_a_tool_may_have_any_name() -> None:
    assert one_upstream("command = 'x'\ntools.'a b/c__d'.class = 'read'").rules.of("a b/c__d").kind == "read"


def test_keys_of_http_tools_are_refused_for_tools_of_a_server() -> None:
    assert told(U + "tools.t.method = 'GET'") == [
        "3: upstreams.u.tools.t.method: this is for the tools of an upstream with http; take it out"
    ]


def test_an_unprintable_key_is_told_escaped_and_in_one_line() -> None:
    (line,) = told('"a\\nb\\u001b[31m" = 1')

    assert line.startswith('1: "a\\nb\\x1b[31m": unknown key')


def test_a_problem_can_be_taken_apart() -> None:
    error = refusal("\n" + EVERY_KEY.replace('expose = "all"', 'expose = "some"'), ORDERS_TOKEN="", PAYMENTS_TOKEN="")

    assert error.problems == (Problem(4, "headgate.expose", 'write "all" or "batch"'),)
    assert error.source == "headgate.toml"
    assert str(error) == 'headgate.toml:4: headgate.expose: write "all" or "batch"'
