"""Variables in the strings of an upstream."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.settings.reading import one_upstream, told

from headgate.proxy.target import StdioTarget
from headgate.server.settings.fill import Filled, FillError, fill


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("plain $VAR $$ {A} }", "plain $VAR $$ {A} }"),
        ("${A}", "1"),
        ("<${A}${B}>", "<1two>"),
        ("${NONE:-}", ""),
        ("${NONE:-a b:-{$c}", "a b:-{$c"),
        ("${A:-x}", "1"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY}", ""),
    ],
)
def test_a_variable_is_filled_in(text: str, filled: str) -> None:
    assert fill(text, {"A": "1", "B": "two", "EMPTY": ""}) == filled


@given(st.text())
def test_what_is_filled_in_is_not_looked_at_again(value: str) -> None:
    assert fill("a${V}b", {"V": value, "W": "w"}) == f"a{value}b"
    assert fill("${V}", {"V": "${W}" + value, "W": "w"}) == "${W}" + value


@given(st.text("${}:-AB "), st.text(min_size=1))
def test_any_text_is_filled_in_or_refused_without_a_value(text: str, value: str) -> None:
    with suppress(FillError):
        assert "${A}" not in fill(text, {"A": f"secret{value}"}).replace(f"secret{value}", "")
        return
    with pytest.raises(FillError) as caught:
        fill(text, {"A": f"secret{value}"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["${", "${}", "${1A}", "${A-x}", "${A", "${A:-${B}}", "${Ä}"])
def test_a_brace_that_opens_no_variable_is_refused(text: str) -> None:
    with pytest.raises(FillError, match="write \\$\\{NAME\\} or"):
        fill(text, {"A": "1", "B": "2"})


def test_each_missing_variable_is_told_once() -> None:
    with pytest.raises(FillError) as caught:
        fill("${A} ${B} ${A}", {})

    assert [message.split()[0] for message in caught.value.messages] == ["A", "B"]


def test_the_repr_of_a_filled_text_is_as_written() -> None:
    filled = fill("x${A}", {"A": "secret"})

    assert isinstance(filled, Filled)
    assert repr(filled) == "'x${A}'"
    assert filled == "xsecret"


def test_variables_are_filled_in_wherever_an_upstream_says_where_it_is() -> None:
    text = "command = '${A}'\nargs = ['-${A}']\nenv = { K = '${A}' }\ncwd = '/${A}'"

    assert one_upstream(text, A="1").target == StdioTarget("1", ("-1",), {"K": "1"}, "/1")


def test_variables_are_not_filled_in_elsewhere() -> None:
    rules = one_upstream("command = 'x'\nexclude = ['${A}']\ntools.'${A}'.resource = '${A}'", A="1").rules

    assert rules.exclude == ("${A}",)
    assert rules.of("${A}").resource == "${A}"


def test_each_place_with_a_missing_variable_is_told_with_its_line() -> None:
    text = "[upstreams.u]\ncommand = '${C}'\nargs = ['a',\n'${D}']\nenv.E = '${E}'\n[upstreams.v]\nhttp = '${F}'"

    assert [line.split(" is not set")[0] for line in told(text)] == [
        "2: upstreams.u.command: C",
        "4: upstreams.u.args[1]: D",
        "5: upstreams.u.env.E: E",
        "7: upstreams.v.http: F",
    ]
    assert told(text)[0].endswith("set it, or give a default as in ${C:-default}")
