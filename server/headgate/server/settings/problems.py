"""What is wrong with a settings file, told to the one who wrote it. Values never stand in it, only keys."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from headgate.server.settings.lines import KeyLines, KeyPath

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend."""

    line: int | None
    """Counted from 1; `None` for what is not in the file."""
    where: str
    """The dotted path of the key, or the name of the environment variable; empty for the file as a whole."""
    message: str


class SettingsError(Exception):
    """The settings cannot be used. Its text has one line per problem, ready to be shown."""

    def __init__(self, problems: Iterable[Problem], source: str | None = None) -> None:
        """`source` is the file as its user named it."""
        self.problems = tuple(problems)
        self.source = source
        super().__init__("\n".join(_told(problem, source) for problem in self.problems))


def dotted(path: KeyPath) -> str:
    """`path` as one would write it in TOML; what a terminal should not get is escaped."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += "." * bool(text) + (part if _BARE_KEY.fullmatch(part) else _quoted(part))
    return text


class Findings:
    """Collects the problems and notices of one file on the way through it."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self._text = text
        self._problems: list[Problem] = []
        self._notices: list[tuple[int, str]] = []
        self._blamed: set[KeyPath] = set()

    def problem(self, path: KeyPath, message: str, *, instead: KeyPath | None = None, named: bool = True) -> None:
        """Note what is wrong with the key at `path`.

        `instead` is the key that was probably meant: it is not told to be missing later on. With `named` false only
        the table around the key is named, for where the key itself may be a misplaced secret.
        """
        self._blamed |= {path, instead or path}
        self._problems.append(Problem(self._lines.of(path), dotted(path if named else path[:-1]), message))

    def outside(self, where: str, message: str) -> None:
        """Note what is wrong with something that is not in the file, such as an environment variable."""
        self._problems.append(Problem(None, where, message))

    def notice(self, path: KeyPath, message: str) -> None:
        """Note what is right and yet without effect."""
        line = self._lines.of(path)
        self._notices.append((line, f"{self.source}:{line}: {dotted(path)} {message}"))

    def blames(self, path: KeyPath) -> bool:
        """Whether something is known to be wrong with `path` already."""
        return path in self._blamed

    def blames_in(self, path: KeyPath) -> bool:
        """Whether something is known to be wrong with `path`, or with anything in it."""
        return any(blamed[: len(path)] == path for blamed in self._blamed)

    def notices(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(text for _, text in sorted(self._notices, key=lambda notice: notice[0]))

    def settle(self) -> None:
        """Raise SettingsError if there is any problem, with all of them in the order of the file."""
        if self._problems:
            raise SettingsError(sorted(self._problems, key=lambda problem: problem.line or 0), self.source)

    @cached_property
    def _lines(self) -> KeyLines:
        return KeyLines(self._text)


def _told(problem: Problem, source: str | None) -> str:
    place = source if problem.line is None else f"{source or 'line'}:{problem.line}"
    if problem.line is None and problem.where:
        place = None
    return ": ".join(part for part in (place, problem.where, problem.message) if part)


def _quoted(key: str) -> str:
    return (
        '"'
        + "".join(char if char.isprintable() else char.encode("unicode_escape", "replace").decode() for char in key)
        + '"'
    )
