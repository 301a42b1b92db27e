"""On which line a key of a TOML document stands.

tomllib gives no positions, and tomlkit has none to give either: its issue 55 asks for them since 2019, and counting
newlines in what it renders leans on private methods and costs 30 ms of import. So the text is walked here, once, and
only when a line is needed. It knows that tomllib has accepted the text: it need not judge, only count. Of TOML's
values it knows strings, brackets, braces and commas; it does not know what a value means.
"""

import re
import tomllib
from dataclasses import dataclass, field

KeyPath = tuple[str | int, ...]
"""Keys from the top of the document down; a number is a place in an array."""

_TOKEN = re.compile(
    r'''
      (?P<text> """(?:[^"\\]+|\\.|"{1,2}(?!"))*+"{3,5}  |  \'\'\'(?:[^']+|'{1,2}(?!'))*+'{3,5}
              | "(?:[^"\\\n]|\\.)*+"  |  '[^'\n]*'
              | [^\s\[\]{}=,.\#"']+ )
    | (?P<mark> [\[\]{}=,.\n] )
    | (?P<blank> [ \t\r]+ | \#[^\n]* )
    ''',
    re.VERBOSE | re.DOTALL,
)


class KeyLines:
    """The lines of a document's keys, counted from 1."""

    def __init__(self, text: str) -> None:
        self._lines = _Walk().through(text)

    def of(self, path: KeyPath) -> int:
        """The line of `path`, or else of the nearest key around it; 1 if there is none."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._lines:
                return self._lines[path[:end]]
        return 1


@dataclass(slots=True)
class _Bracket:
    """An array (`index` is the place of its current item) or an inline table (`index` is None) that is still open."""

    path: KeyPath
    index: int | None


@dataclass(slots=True)
class _Walk:
    """Where the walk is: in the header of a table, in a key, or in a value; and inside which brackets."""

    lines: dict[KeyPath, int] = field(default_factory=dict[KeyPath, int])
    line: int = 1
    table: KeyPath = ()
    header: int = 0
    """How many brackets the header under way was opened with."""
    keys: list[str] = field(default_factory=list[str])
    in_value: bool = False
    brackets: list[_Bracket] = field(default_factory=list[_Bracket])
    arrays: dict[KeyPath, int] = field(default_factory=dict[KeyPath, int])
    """The last index of each array of tables."""

    def through(self, text: str) -> dict[KeyPath, int]:
        for token in _TOKEN.finditer(text):
            word = token[0]
            if token.lastgroup == "text":
                self._text(word)
            elif token.lastgroup == "mark":
                self._mark(word)
            self.line += word.count("\n")
        return self.lines

    def _text(self, word: str) -> None:
        if self.in_value:
            self._note(self._place())
            return
        self.keys.append(_key(word))
        if not self.header:
            self._note(self._place())

    def _mark(self, mark: str) -> None:
        match mark:
            case "=":
                self.in_value = True
            case "\n" if not self.brackets:
                self.in_value, self.keys, self.header = False, [], 0
            case "[" if self.in_value:
                self._open(0)
            case "[":
                self.header += 1
            case "{":
                self._open(None)
            case "]" if self.header:
                self._close_header()
            case "]" | "}":
                self.brackets.pop()
                self.in_value = True
            case ",":
                self._next()
            case _:
                pass

    def _place(self) -> KeyPath:
        """The key or the array item that the walk is at."""
        if not self.brackets:
            return (*self.table, *self.keys)
        inner = self.brackets[-1]
        return (*inner.path, *self.keys) if inner.index is None else (*inner.path, inner.index)

    def _note(self, path: KeyPath) -> None:
        self.lines.setdefault(path, self.line)

    def _open(self, index: int | None) -> None:
        place = self._place()
        self._note(place)
        self.brackets.append(_Bracket(place, index))
        self.in_value, self.keys = index is not None, []

    def _next(self) -> None:
        inner = self.brackets[-1]
        if inner.index is None:
            self.in_value, self.keys = False, []
        else:
            inner.index += 1

    def _close_header(self) -> None:
        if not self.keys:
            return  # the second bracket of ]]
        path: KeyPath = ()
        for key in self.keys[:-1]:
            path = self._latest((*path, key))
            self._note(path)
        path = (*path, self.keys[-1])
        if self.header == 1:
            self.lines[path] = self.line  # nearer than a mention in the header of a table below it
        else:
            self._note(path)
            self.arrays[path] = self.arrays.get(path, -1) + 1
            path = self._latest(path)
            self._note(path)
        self.table, self.keys = path, []

    def _latest(self, path: KeyPath) -> KeyPath:
        return (*path, self.arrays[path]) if path in self.arrays else path


def _key(word: str) -> str:
    if word[0] == "'":
        return word[1:-1]
    if word[0] == '"':
        return next(iter(tomllib.loads(f"{word} = 0")))
    return word
