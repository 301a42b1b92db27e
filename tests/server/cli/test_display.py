"""What a person is shown on a terminal, and a program in a pipe."""

import json

import pytest

from headgate.server.cli.catalogue_view import limits_of, rate
from headgate.server.cli.display import echo_json, echo_rows, echo_table, plain, shortened
from headgate.server.cli.reply_view import echo_reply
from headgate.tools.catalogue import Tool
from headgate.tools.rules import Rate, ToolRules

HOSTILE = "no \x1b[31mway\r\n\x07"


def test_what_a_server_said_cannot_move_the_cursor_or_change_a_colour(capsys: pytest.CaptureFixture[str]) -> None:
    assert plain(HOSTILE) == "no  [31mway   "
    echo_rows([("a", "b\tc")])
    echo_table(("x",), [(HOSTILE,)])
    echo_reply({"results": [{"id": "a", "data": {"k": HOSTILE}}], "summary": HOSTILE, "problems": [{"code": HOSTILE}]})
    out = capsys.readouterr().out
    assert out.startswith("a\tb c\n")
    assert "\x1b" not in out
    assert "\x07" not in out


def test_integers_are_shown_with_all_their_digits(capsys: pytest.CaptureFixture[str]) -> None:
    echo_json({"n": [2**70 + 1, 10**400], "é": 0.1})
    assert json.loads(capsys.readouterr().out) == {"n": [2**70 + 1, 10**400], "é": 0.1}
    echo_reply({"results": [{"id": "a", "data": {"n": 2**70 + 1}}]})
    assert '{"n":1180591620717411303425}' in capsys.readouterr().out


def test_a_long_text_is_cut_to_its_limit() -> None:
    assert shortened("ab\n  cd", 5) == "ab cd"
    assert shortened("x" * 1_000_000, 5) == "xxxx…"


def test_square_brackets_are_text_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    echo_table(("name",), [("[red]name[/red]",), ("items[0]",)])
    out = capsys.readouterr().out
    assert "[red]name[/red]" in out
    assert "items[0]" in out


def test_a_column_with_nothing_in_it_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    echo_table(("id", "waits for"), [("a", ""), ("b", "")])
    assert "waits for" not in capsys.readouterr().out


def test_a_reply_is_a_table_of_its_calls_above_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    echo_reply(
        {
            "summary": "1 of 3 ok",
            "results": [
                {"id": "a", "tool": "o__get", "class": "read", "status": "ok", "duration_ms": 812, "data": {"x": 1}},
                {"id": "b", "tool": "o__get", "class": "read", "status": "timeout", "duration_ms": 2500,
                 "error_code": "TOOL_TIMEOUT", "error": "no answer in 2.5 s"},
                {"id": "c", "tool": "o__put", "class": "write", "status": "pending"},
            ],
        }
    )  # fmt: skip
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert 'a o__get read ok 812 {"x":1}' in lines
    assert "b o__get read timeout 2500 TOOL_TIMEOUT: no answer in 2.5 s" in lines
    assert "c o__put write pending" in lines
    assert lines[-1] == "1 of 3 ok"


def test_limits_are_told_in_the_words_of_the_config() -> None:
    rules = ToolRules(timeout_s=2.5, rate=Rate(20, 1.0, 20), concurrency=3)
    assert limits_of(Tool("o", "get", "o__get", "read", "annotated", rules, {})) == "2.5s, 20/s, 3 at once"
    assert rate(Rate(100, 60.0, 1)) == "100/min (burst 1)"
    assert rate(Rate(5, 3600.0, 5)) == "5/h"
