"""Where a key stands in its file."""

import tomllib
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.server.settings.lines import KeyLines, KeyPath

DOCUMENT = '''\
top = 1
[a.b]              # a is only mentioned
x = """
[not.a.table]
y = 1
""" # end
y.z = [ 1, [2,
  3], { k = "]", l = '}' },
]
[c]
"quoted.key" = { in = { deep = 1 } }
'liter"al' = 2
[a]
late = """a""\\""""
[[list]]
n = 1
[[list]]
n = 2
[list.sub]
s = 3
[a.d]
when = 1979-05-27 07:32:00
"t\\u0061b" = 1.5
[a.b.e]
f = \'\'\'
#'' [x]
\'\'\'
g = 1
'''
WHERE: list[tuple[KeyPath, int]] = [
    (("top",), 1),
    (("a",), 13),
    (("a", "b"), 2),
    (("a", "b", "x"), 3),
    (("a", "b", "y"), 7),
    (("a", "b", "y", "z"), 7),
    (("a", "b", "y", "z", 0), 7),
    (("a", "b", "y", "z", 1, 0), 7),
    (("a", "b", "y", "z", 1, 1), 8),
    (("a", "b", "y", "z", 2, "k"), 8),
    (("c",), 10),
    (("c", "quoted.key"), 11),
    (("c", "quoted.key", "in", "deep"), 11),
    (("c", 'liter"al'), 12),
    (("a", "late"), 14),
    (("list",), 15),
    (("list", 0, "n"), 16),
    (("list", 1), 17),
    (("list", 1, "n"), 18),
    (("list", 1, "sub", "s"), 20),
    (("a", "d"), 21),
    (("a", "d", "when"), 22),
    (("a", "d", "tab"), 23),
    (("a", "b", "e", "f"), 25),
    (("a", "b", "e", "g"), 28),
]


@pytest.mark.parametrize(("path", "line"), WHERE, ids=str)
def test_a_key_is_found_on_its_line(path: KeyPath, line: int) -> None:
    assert tomllib.loads(DOCUMENT)
    assert KeyLines(DOCUMENT).of(path) == line


def test_a_key_that_is_not_there_is_told_with_the_line_around_it() -> None:
    lines = KeyLines("[a]\n[a.b]\nc = { d = 1 }\n")

    assert lines.of(("a", "b", "c", "nowhere", 3)) == 3
    assert lines.of(("a", "b", "nowhere")) == 2
    assert lines.of(("nowhere",)) == 1
    assert lines.of(()) == 1


def test_windows_line_ends_count_once() -> None:
    assert KeyLines('[a]\r\nb = """\r\n\r\n"""\r\nc = 1\r\n').of(("a", "c")) == 5


SCALARS = [
    "1",
    "-2.5e3",
    "true",
    "1979-05-27T07:32:00.5Z",
    "1979-05-27 07:32:00",
    '""',
    "''",
    '"a # [ { \\" = \\\\"',
    "'C:\\'",
    '""""""',
    '"""a""""',
    '"""a"""""',
    '"""\n\\""" "" [x]\n# {"""',
    "'''\n''\n[x] = 'a'\n''''",
]
BETWEEN = [", ", ",", ",\n", " , # ] } \" '\n\n  "]


@st.composite
def documents(draw: st.DrawFn) -> str:
    """TOML in which each key is a word of its own, `k0`, `k1` and so on, written in any of the ways TOML has."""
    fresh = (f"k{number}" for number in count())

    def key() -> str:
        return draw(st.sampled_from(["{}", "'{}'", '"{}"', "\\"])).replace("\\", "{}").format(f"{next(fresh)}_")

    def dotted() -> str:
        return draw(st.sampled_from([".", " . "])).join(key() for _ in range(draw(st.integers(1, 3))))

    def value(depth: int) -> str:
        match draw(st.integers(0, 3 if depth else 1)):
            case 2:
                items = [value(depth - 1) for _ in range(draw(st.integers(0, 3)))]
                return "[" + draw(st.sampled_from(BETWEEN)).join(items) + draw(st.sampled_from(["]", "\n]"]))
            case 3:
                pairs = [f"{dotted()} = {value(depth - 1)}" for _ in range(draw(st.integers(0, 3)))]
                return "{ " + ", ".join(pairs) + " }"
            case _:
                return draw(st.sampled_from(SCALARS))

    def pair() -> str:
        return f"{draw(st.sampled_from(['', '  ']))}{dotted()} = {value(3)}{draw(st.sampled_from(['', ' # x = 1']))}"

    written = [pair() for _ in range(draw(st.integers(0, 3)))]
    for _ in range(draw(st.integers(0, 4))):
        path = dotted()
        repeats = draw(st.integers(0, 2))
        written += [f"[{path}]"] if not repeats else []
        for _ in range(repeats):
            written += [f"[[{path}]]", pair()]
        written += [pair() for _ in range(draw(st.integers(0, 3)))]
        written += draw(st.lists(st.sampled_from(["", "# [c] d = 'e"]), max_size=2))
    return "\n".join(written) + "\n"


@given(documents(), st.sampled_from(["\n", "\r\n"]))
def test_every_key_of_any_document_is_found_where_its_name_stands(text: str, line_end: str) -> None:
    text = text.replace("\n", line_end)
    lines = KeyLines(text)

    for path in _paths(tomllib.loads(text), ()):
        names = [part for part in path if isinstance(part, str)]
        if path[-1] == names[-1]:
            assert lines.of(path) == text.count("\n", 0, text.index(names[-1])) + 1


def _paths(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    """Every path into a document. What TOML gives is typed Any: pyright cannot see into it."""
    parts: list[Any] = list(value) if isinstance(value, dict) else []  # pyright: ignore[reportUnknownArgumentType]
    parts = list(range(len(value))) if isinstance(value, list) else parts  # pyright: ignore[reportUnknownArgumentType]
    for part in parts:
        yield (*path, part)
        yield from _paths(value[part], (*path, part))
