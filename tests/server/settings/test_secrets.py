"""What is secret stays out of everything that is shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.settings.reading import EVERY_KEY, refusal

from headgate.server.settings import Settings, SettingsError, parse_settings
from headgate.server.settings.lines import KeyPath
from headgate.server.settings.schema import known_keys

CANARY = "canary-7f3a"

SLOTS = [
    "command = '{}'",
    "command = 'x'\nargs = ['{}']",
    "command = 'x'\nenv = {{ K = '{}' }}",
    "command = 'x'\ncwd = '/{}'",
    "url = 'https://x/{}'",
    "url = 'https://{}@x/'",
    "url = 'https://x'\nheaders = {{ Authorization = 'Bearer {}' }}",
    "url = 'https://x'\noauth = {{ client_id = 'c', client_secret = '{}', issuer = 'https://l' }}",
    "http = 'https://x/{}'\nopenapi = 'x.json'",
    "http = 'https://x'\nopenapi = 'https://x/{}'",
    "http = 'https://x'\nopenapi = 'x.json'\nquery = {{ key = '{}' }}",
    "http = 'https://x'\nopenapi = 'x.json'\nheaders = {{ Authorization = 'Bearer {}' }}",
]
LITERAL = [slot for slot in SLOTS if any(key in slot for key in ("args", "env", "headers", "query", "oauth"))]
WRONG = [
    "command = '{} x'",
    "command = '{}\\u0000'",
    "command = 'x'\nargs = ['{}\\u0000']",
    "command = 'x'\nenv = {{ K = '{}\\u0000' }}",
    "command = 'x'\ncwd = '~{}/x'",
    "url = '{}'",
    "url = 'https://[{}'",
    "url = 'https://x:{}/'",
    "url = 'https://x'\nheaders = {{ A = '{}\\u0007' }}",
    "url = 'https://x'\noauth = {{ client_id = 'c', client_secret = '{}\\u0007', issuer = 'https://l' }}",
    "http = '{}'",
    "http = 'https://{}@x'",
    "http = 'https://x?key={}'",
    "http = 'https://x'\nopenapi = 'https://[{}'",
    "http = 'https://x'\nopenapi = 'x.json'\nquery = {{ key = '{}\\u0000' }}",
]
WRONG_LITERAL = [
    "url = 'https://x'\noauth = {{ client_secret = ['{}'] }}",
    "command = 'x'\nenv = {{ K = ['{}'] }}",
    "command = 'x'\nenv = {{ K.L = '{}' }}",
    "command = 'x'\nenv = ['K={}']",
    "command = 'x'\nenv = 'K={}'",
    "command = 'x'\nenv = {{ 'K={}' = '' }}",
    "command = 'x'\nenv = {{ K = '{} ${{' }}",
    "command = 'x'\nenv = {{ K = '{} ${{MISSING}}' }}",
    "command = 'x'\nargs = 5\nenv.K = '{}'",
    "url = 'https://x'\nheaders = {{ A = {{ B = '{}' }} }}",
    "url = 'https://x'\nheaders = {{ A = ['{}'] }}",
    "url = 'https://x'\nheaders = 'A: {}'",
    "url = 'https://x'\nheaders = {{ 'A: {}' = '' }}",
    "url = 'https://x'\nheaders = {{ A = '{}\\n' }}",
    "url = 'https://x'\nheaders = {{ A = 5, B = '{}' }}",
    "url = 'https://x'\nheaders = {{ A = '{} }}",
    "url = 'https://x'\nheaders = {{ A = '{}' B = 1 }}",
    "url = 'https://x'\nheaders = {{ A = {} }}",
]


def _in_quotes_that_know_escapes(text: str) -> str:
    return "[upstreams.u]\n" + text.replace("'", '"')


def _shown(error: SettingsError) -> str:
    return f"{error} {error!r} {error.problems!r} {error.args!r}"


def _all_shown(settings: Settings) -> str:
    parts = [part for upstream in settings.upstreams.values() for part in (upstream, upstream.target, upstream.rules)]
    return f"{settings} {settings!r} {[*map(str, parts), *map(repr, parts)]} {settings.notices}"


@pytest.mark.parametrize("slot", SLOTS)
def test_a_value_of_the_environment_is_in_no_repr(slot: str) -> None:
    settings = parse_settings(
        _in_quotes_that_know_escapes(slot.format("${V}")), base=Path("/base"), environ={"V": CANARY}
    )

    assert CANARY not in _all_shown(settings)


@pytest.mark.parametrize("slot", LITERAL)
def test_a_secret_written_into_the_file_is_in_no_repr(slot: str) -> None:
    assert CANARY not in _all_shown(parse_settings(_in_quotes_that_know_escapes(slot.format(CANARY)), environ={}))


@pytest.mark.parametrize("slot", WRONG)
def test_a_value_of_the_environment_is_in_no_error(slot: str) -> None:
    error = refusal(_in_quotes_that_know_escapes(slot.format("${V}")), V=CANARY)

    assert CANARY not in _shown(error)


@pytest.mark.parametrize("slot", WRONG_LITERAL + WRONG)
def test_a_secret_written_into_the_file_is_in_no_error(slot: str) -> None:
    error = refusal(_in_quotes_that_know_escapes(slot.format(CANARY)))

    assert CANARY not in _shown(error)


def test_a_value_of_the_wrong_variable_is_in_no_error() -> None:
    assert CANARY not in _shown(refusal("", HEADGATE_PARALLEL=CANARY))


PIECES = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    '"',
    "'",
    '"""',
    "'''",
    "#",
    "\\",
    "\\u0000",
    "${",
    "${V}",
    "${MISSING}",
    ":-",
    "1",
    "-",
    "true",
    "inf",
    "nan",
    "1979-05-27",
    "é",
    "[upstreams.u]",
    "[headgate]",
    "tools",
    "env",
    "headers",
    "command",
    "url",
    "http",
    "burst=1",
    "cwd='~x'",
]
PIECES.extend(["\n", "\r", " ", "\0", "\ud800"])
FULL = EVERY_KEY.replace("ORDERS_TOKEN}", "V}").replace("PAYMENTS_TOKEN}", "V}").replace("weather.example", "x/${V}")


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The example file with up to six slices of it replaced, taken out, doubled or swapped with pieces of TOML."""
    text = FULL
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 1, 2, 5, 40, 400])))
        piece = draw(st.sampled_from([*PIECES, "", text[start:end] * 2]) | st.text(max_size=3))
        text = text[:start] + piece + text[end:]
    return text


def _judge(text: str) -> None:
    outcome = _outcome(text)
    if isinstance(outcome, SettingsError):
        assert outcome.problems
        assert CANARY not in _shown(outcome)
        assert len(str(outcome).splitlines()) == len(outcome.problems)
    else:
        assert CANARY not in _all_shown(outcome)


def _outcome(text: str) -> Settings | SettingsError:
    try:
        return parse_settings(text, environ={"V": CANARY})
    except SettingsError as error:
        return error


@given(mutated() | st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_settings_or_a_settings_error_and_shows_no_secret(text: str) -> None:
    _judge(text)


LEVELS: list[KeyPath] = [
    ("headgate",),
    ("defaults",),
    ("upstreams", "u"),
    ("upstreams", "u", "tools", "t"),
    ("recipes", "r"),
]
PATHS = [".".join(map(str, (*level, key))) for level in LEVELS for key in (*known_keys(level), "unknwon")]
VALUES = [
    "1",
    "-1",
    "0.5",
    "inf",
    "true",
    "1979-05-27",
    "'x'",
    "'${V}'",
    "'1s'",
    "'1/s'",
    "'1KB'",
    "'read'",
    "'http://x'",
    "[]",
    "[1,'a',{}]",
    "['${V}']",
    "{}",
    "{a=1}",
    "{a='${V}'}",
]


@given(st.dictionaries(st.sampled_from(PATHS), st.sampled_from(VALUES)))
def test_any_values_for_the_known_keys_are_settings_or_a_settings_error(keys: dict[str, str]) -> None:
    _judge("\n".join(f"{key} = {value}" for key, value in keys.items()))
