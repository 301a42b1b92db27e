"""JSON is read to the last digit, and what is none is refused as ever."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.tools.compact import compact
from headgate.tools.exact import exact

LARGE = st.integers(19, 4300).flatmap(lambda digits: st.integers(1 - 10**digits, 10**digits - 1))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers() | LARGE | FLOATS | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(value=JSON, spaces=st.sampled_from([None, 0, 1]))
@example(value=2**64, spaces=None)
@example(value=-(2**63) - 1, spaces=None)
@example(value=[2**64 - 1, -(2**63), -(2**63) - 1, 2**64, -0.0, 0.1, 1e22, 5e-324], spaces=None)
@example(value={"n": 10**4299, "of": [10**308 * 1.0, 10**309]}, spaces=1)
def test_whatever_is_written_is_read_as_it_was(value: Any, spaces: int | None) -> None:
    for text in (json.dumps(value, indent=spaces).encode(), compact(value)):
        assert repr(exact(text)) == repr(value)


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**30 + 1, 10**400 + 1, 2**64 - 1, -(2**63), 10**18])
@pytest.mark.parametrize("text", ["%d", "[%d]", " \n%d ", '{"a":1,"n":%d}', '{"n": \t%d}', "[0.5,\n%d]", '["x%%",%d]'])
def test_an_integer_keeps_its_digits_wherever_it_stands(text: str, number: int) -> None:
    written = text % number
    assert exact(written.encode()) == json.loads(written)


@pytest.mark.parametrize("levels", [1, 200, 201, 250, 800])
def test_so_it_does_however_deep_it_stands(levels: int) -> None:
    value = exact(b"[" * levels + b"%d" % (2**65 + 1) + b"]" * levels)
    for _ in range(levels):
        (value,) = value
    assert value == 2**65 + 1


def test_of_keys_that_come_twice_the_last_one_counts() -> None:
    assert exact(b'{"n":1,"n":%d,"n":%d}' % (2**70, 2**80 + 1)) == {"n": 2**80 + 1}


@pytest.mark.parametrize("number", [2**64, 10**400])
@pytest.mark.parametrize(
    "wrong",
    [
        b"1e400",
        b"-1e400",
        b"NaN",
        b"Infinity",
        b"01",
        b"-",
        b"1.",
        b'"\\ud83d"',
        b'"\xff"',
        b"9" * 4301,
        b"1" + b"0" * 400 + b".5",
        b"[" * 1100 + b"]" * 1100,
        b"",
    ],
)
def test_what_is_no_json_or_a_number_too_large_for_anything_is_refused_beside_a_large_integer_too(
    wrong: bytes, number: int
) -> None:
    for text in (wrong, b"[%b]" % wrong, b"[%d,%b]" % (number, wrong), b"\xef\xbb\xbf[%d]" % number):
        if text == b"[]":
            continue
        with pytest.raises(orjson.JSONDecodeError):
            exact(text)


def test_a_long_text_is_read_once_more_only_where_orjson_has_taken_it() -> None:
    filling = ",".join(["1"] * 200_000)
    assert exact(f"[{filling},{2**70 + 1}]".encode())[-1] == 2**70 + 1
    with pytest.raises(orjson.JSONDecodeError):
        exact(f"[{filling},{10**400}]".encode())
