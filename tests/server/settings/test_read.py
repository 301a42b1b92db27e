"""From a file, or a text, to settings."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.server.settings.reading import EVERY_KEY, read, refusal, told

from headgate.proxy.target import EndpointsTarget, HttpTarget, StdioTarget
from headgate.server.settings import HeadgateSettings, SettingsError, load_settings, parse_settings
from headgate.tools.rules import Forward, Rate, ToolRules, UpstreamRules

TOKENS = {"ORDERS_TOKEN": "o-secret", "PAYMENTS_TOKEN": "p-secret"}

ESCAPE = "in \"…\" a backslash begins an escape: write a path with / or in single quotes, such as 'C:\\Users\\me'"
JSON = "this looks like JSON: 'headgate init --from FILE' makes a headgate.toml out of a client's config"


def test_the_example_of_the_contract_means_what_it_says() -> None:
    settings = read(EVERY_KEY, **TOKENS)

    assert replace(settings.headgate, journal=None) == HeadgateSettings()
    assert list(settings.upstreams) == ["orders", "payments", "weather"]
    orders, payments, weather = settings.upstreams.values()
    assert orders.target == StdioTarget("uvx", ("orders-mcp",), {"ORDERS_TOKEN": "o-secret"})
    assert orders.rules == UpstreamRules(
        trust_annotations=True,
        concurrency=16,
        rate=Rate(20, 1.0, 20),
        exclude=("delete_*",),
        tools={"get_shipment": ToolRules(kind="read", timeout_s=2.5, rate=Rate(1, 1.0, 1), result_limit=8000)},
    )
    assert payments.target == HttpTarget("https://payments.example/mcp", {"Authorization": "Bearer p-secret"})
    assert payments.rules.trust_annotations is False
    assert payments.rules.of("create_refund") == ToolRules(
        resource="order:{order_id}", forward=Forward("header", "Idempotency-Key")
    )
    assert isinstance(weather.target, EndpointsTarget)
    (get_weather,) = weather.target.endpoints
    assert (get_weather.name, get_weather.method, get_weather.description) == ("get_weather", "GET", "Weather now")
    assert list(settings.recipes) == ["refund_context"]


def test_nothing_that_the_example_asks_for_is_asked_in_vain() -> None:
    assert read(EVERY_KEY, **TOKENS).notices == ()


def test_a_guard_that_does_not_exist_yet_is_an_error_and_not_a_notice() -> None:
    with pytest.raises(SettingsError, match="confirm: unknown key"):
        read("[upstreams.u]\ncommand='x'\nconfirm=true\n")


def test_an_empty_file_is_all_defaults() -> None:
    settings = read("")

    assert replace(settings.headgate, journal=None) == HeadgateSettings()
    assert settings.upstreams == {}
    assert settings.notices == ()


def test_every_setting_of_headgate_can_be_said() -> None:
    text = """
    [headgate]
    parallel = 0.25
    expose = "batch"
    read_concurrency = 3
    max_calls = 9
    answer_within = "1m"
    reply_limit = "1MB"
    serialize = "resource"
    event_loop = "uvloop"
    journal = "memory"
    journal_arguments = "full"
    """
    assert read(text).headgate == HeadgateSettings(
        0.25, "batch", 3, 9, 60.0, 1_000_000, "resource", "uvloop", journal_arguments="full"
    )


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        *[(word, False) for word in ("0", "off", "No", "FALSE", "0.0")],
        *[(word, True) for word in ("1", " yes ", "on", "True", "1.0")],
        ("0.1", 0.1),
    ],
)
def test_the_environment_has_the_last_word_on_parallel(word: str, meant: object) -> None:
    assert read("[headgate]\nparallel = 0.5", HEADGATE_PARALLEL=word).headgate.parallel == meant


def test_an_empty_word_for_parallel_is_none() -> None:
    assert read("[headgate]\nparallel = 0.5", HEADGATE_PARALLEL="").headgate.parallel == 0.5


@pytest.mark.parametrize("word", ["maybe", "2", "-1", "nan", "inf", "1e-400x"])
def test_a_word_for_parallel_that_means_nothing_is_told_with_the_name_of_its_variable(word: str) -> None:
    error = refusal("", HEADGATE_PARALLEL=word)

    assert str(error).startswith("HEADGATE_PARALLEL: write 1 (parallel), 0 (one by one)")
    assert error.problems[0].line is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = \n", "2: not TOML: this value is missing or malformed; text stands in quotes"),
        ("a\n", "1: not TOML: expected '=' after a key in a key/value pair"),
        ("\n= 1\n", "2: not TOML: this is neither a [table] nor key = value"),
        ("a = 1\n\na = 2\n", "3: not TOML: this key is set twice"),
        ("[a]\n[a]\n", "2: not TOML: this table is declared twice"),
        ('a = "x\nb = 1\n', "1: not TOML: a character that cannot stand here; is a quote missing?"),
        ('a = "C:\\Users"\n', f"1: not TOML: {ESCAPE}"),
        ('a = "C:\\dir"\n', f"1: not TOML: {ESCAPE}"),
        ('\n{"mcpServers": {}}\n', f"1: not TOML: {JSON}"),
        ("a = 1 b = 2\n", "1: not TOML: something is left over after the value"),
        ("a = [1,\n2\n", "2: not TOML: a [ is not closed, or a comma is missing"),
        ('a = 1\nb = """\n', "2: not TOML: a string is not closed"),
    ],
)
def test_what_is_not_toml_is_told_with_its_line(text: str, line: str) -> None:
    assert told(text) == [line]


def test_a_number_too_long_for_python_is_told() -> None:
    assert told("a = " + "9" * 5000) == ["not TOML: a number in it is too long"]


def test_endless_nesting_is_told() -> None:
    assert told("a = " + "[" * 50_000) == ["tables or lists are nested too deeply"]


def test_half_a_surrogate_pair_is_told() -> None:
    assert told("a = '\ud800'") == ["not Unicode text; save the file as UTF-8"]


def test_a_file_is_read_with_its_place_and_its_name(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_bytes(b'\xef\xbb\xbf[upstreams.u]\r\ncommand = "x"\r\ncwd = "sub"\r\n[headgate]\r\njournal = "j"\r\n')

    settings = load_settings(path, {})

    assert settings.source == str(path)
    assert settings.upstreams["u"].target == StdioTarget("x", cwd=str(tmp_path / "sub"))
    assert settings.headgate.journal == tmp_path / "j"


def test_without_an_environment_given_the_process_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_PARALLEL", "0")
    path = tmp_path / "headgate.toml"
    path.touch()

    assert load_settings(path).headgate.parallel is False
    assert parse_settings("").headgate.parallel is False


def _told_of_file(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {})
    return str(caught.value).replace(str(path), "FILE")


def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    latin, large = tmp_path / "latin.toml", tmp_path / "large.toml"
    latin.write_bytes(b"# one\n# caf\xe9\n")
    large.write_bytes(b"#" * 1_000_001)

    assert _told_of_file(tmp_path) == "FILE: this is a directory; name the file in it"
    assert _told_of_file(tmp_path / "none.toml") == "FILE: there is no such file"
    assert _told_of_file(latin) == "FILE:2: not UTF-8 text; save the file as UTF-8"
    assert _told_of_file(large) == "FILE: larger than 1 MB; is it a settings file?"
    assert _told_of_file(Path("a\0b")) == "FILE: cannot be read: this is not a path"
    assert _told_of_file(latin / "x") == "FILE: cannot be read: Not a directory"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "headgate.toml"
    path.touch(mode=0)

    assert _told_of_file(path) == "FILE: cannot be read: Permission denied"
