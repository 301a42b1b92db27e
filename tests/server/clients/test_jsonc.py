"""JSON with comments: what is not changed stays as it was written."""

import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.server.clients.jsonc import JsoncError, loads, set_member


def test_comments_and_trailing_commas_are_read_over() -> None:
    text = '\ufeff// top\n{"a": [1, /* in */ 2,], // side\n "b": {"url": "http://x//y"},}\n// end'
    assert loads(text) == {"a": [1, 2], "b": {"url": "http://x//y"}}


def test_an_empty_file_is_an_empty_object() -> None:
    assert loads(" \n") == {}
    assert set_member("", ("a", "b"), 1) == '{\n  "a": {\n    "b": 1\n  }\n}\n'


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"a": 1', "line 1, column 8"),
        ('{\n  "a" 1}', "line 2, column 7"),
        ('{"a": }', "line 1, column 7"),
        ('{"a": 1} x', "line 1, column 10"),
        ('{"a": "x\n"}', "line 1, column 9"),
        ("{'a': 1}", "line 1, column 2"),
        ("{/* open", "line 1, column 2"),
        ("[1 2]", "line 1, column 4"),
    ],
)
def test_broken_text_is_refused_with_its_place(text: str, where: str) -> None:
    with pytest.raises(JsoncError, match=where):
        loads(text)


def test_nan_and_bottomless_nesting_are_refused() -> None:
    with pytest.raises(JsoncError, match="NaN is not JSON"):
        loads("[NaN]")
    with pytest.raises(JsoncError, match="nested too deeply"):
        loads("[" * 100_000)


def test_a_new_member_takes_the_indentation_of_its_neighbours() -> None:
    text = '{\n\t"servers": {\n\t\t"a": {"x": 1}\n\t}\n}\n'
    assert set_member(text, ("servers", "b"), {"y": [1, 2]}) == (
        '{\n\t"servers": {\n\t\t"a": {"x": 1},\n\t\t"b": {\n\t\t\t"y": [1, 2]\n\t\t}\n\t}\n}\n'
    )


def test_a_new_member_goes_below_the_comment_on_the_last_one() -> None:
    text = '{\n  "a": 1 // about a\n  // the end\n}'
    assert set_member(text, ("b",), 2) == '{\n  "a": 1, // about a\n  // the end\n  "b": 2\n}'


def test_a_trailing_comma_is_not_doubled_and_the_new_member_has_one_too() -> None:
    assert set_member('{\n  "a": 1, // about a\n}', ("b",), 2) == '{\n  "a": 1, // about a\n  "b": 2,\n}'


def test_a_file_on_one_line_stays_on_one_line() -> None:
    assert set_member('{"s": {"a": 1}}', ("s", "b"), {"c": 2}) == '{"s": {"a": 1, "b": {"c": 2}}}'
    assert set_member('{"a": 1,}', ("b",), 2) == '{"a": 1, "b": 2}'


def test_an_empty_object_is_opened_up() -> None:
    assert set_member('{\n  "s": {}\n}', ("s", "b"), 2) == '{\n  "s": {\n    "b": 2\n  }\n}'
    assert set_member('{\n  "s": { // none yet\n  }\n}', ("s", "b"), 2) == (
        '{\n  "s": { // none yet\n    "b": 2\n  }\n}'
    )


def test_windows_line_endings_stay() -> None:
    assert set_member('{\r\n  "a": 1\r\n}\r\n', ("b",), {"c": 1}) == (
        '{\r\n  "a": 1,\r\n  "b": {\r\n    "c": 1\r\n  }\r\n}\r\n'
    )


def test_a_member_that_is_there_is_replaced_where_it_stands() -> None:
    assert set_member('{"a": /* was */ 1, "b": 2}', ("a",), [3]) == '{"a": /* was */ [3], "b": 2}'


@pytest.mark.parametrize("text", ['{"s": null}', '{"s": []}', "[]"])
def test_what_is_not_an_object_is_not_written_into(text: str) -> None:
    with pytest.raises(JsoncError, match="is not an object"):
        set_member(text, ("s", "b"), 1)


scalars = st.none() | st.booleans() | st.integers() | st.text()
documents = st.dictionaries(
    st.text(max_size=4),
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner)),
    max_size=4,
)
blanks = st.sampled_from(["", " ", "\n", "\n  ", " // so\n", "/* { */", "\r\n\t"])


@st.composite
def written(draw: st.DrawFn, value: object) -> str:
    """`value` as JSON, with comments, blanks and trailing commas anywhere."""

    def blank() -> str:
        return draw(blanks)

    def items(texts: list[str]) -> str:
        comma = draw(st.sampled_from(["", ","])) if texts else ""
        return ",".join(texts) + comma + blank()

    def text(value: object) -> str:
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            pairs = [f"{blank()}{json.dumps(k)}{blank()}:{blank()}{text(v)}{blank()}" for k, v in members.items()]
            return f"{{{items(pairs)}}}"
        if isinstance(value, list):
            entries = cast("list[object]", value)
            return f"[{items([f'{blank()}{text(item)}{blank()}' for item in entries])}]"
        return json.dumps(value)

    return blank() + text(value) + blank()


@given(st.data(), documents, st.text(max_size=4), documents)
def test_any_document_takes_any_member_and_keeps_the_rest(
    data: st.DataObject, document: dict[str, object], key: str, value: dict[str, object]
) -> None:
    text = data.draw(written(document))
    changed = set_member(text, (key,), value)
    assert loads(changed) == document | {key: value}
    if key not in document:
        kept = iter("".join(changed.split()))
        assert all(character in kept for character in "".join(text.split()))
