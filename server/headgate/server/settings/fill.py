"""`${VAR}` and `${VAR:-default}` in the strings of an upstream, filled in from the environment, once.

What is filled in is data: it is never looked at again, and it is kept out of every repr.
"""

import re
from collections.abc import Mapping
from typing import Self

_SLOT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-((?:(?!\$\{)[^}])*))?\}|\$\{")


class Filled(str):
    """Text in which a variable was filled in. Its repr is the text as written, so that the value cannot leak by it."""

    __slots__ = ("values", "written")

    def __new__(cls, value: str, written: str = "${…}", values: frozenset[str] = frozenset()) -> Self:
        """`value` with the variables filled in, `written` with their names, `values` what they stand for."""
        text = super().__new__(cls, value)
        text.written = written
        text.values = values
        return text

    def __repr__(self) -> str:
        return repr(self.written)


class FillError(Exception):
    """A text could not be filled in; `messages` tell each reason and no value."""

    def __init__(self, messages: list[str]) -> None:
        """One message for each reason."""
        self.messages = tuple(dict.fromkeys(messages))
        super().__init__(*self.messages)


def fill(text: str, environ: Mapping[str, str]) -> str:
    """`text` with its variables filled in.

    As in a shell, a default takes the place of a variable that is unset or empty.

    Raises:
        FillError: a variable without a default is not set, or a `${` is not the start of a variable.

    """
    wrong: list[str] = []
    values: set[str] = set()

    def value(slot: re.Match[str]) -> str:
        name, default = slot[1], slot[2]
        if name is None:
            wrong.append("after ${ a variable is expected: write ${NAME} or ${NAME:-default}")
            return ""
        if default is None and name not in environ:
            wrong.append(f"{name} is not set in the environment: set it, or give a default as in ${{{name}:-default}}")
        said = environ.get(name, "") if default is None else environ.get(name) or default
        values.add(said)
        return said

    filled = _SLOT.sub(value, text)
    if wrong:
        raise FillError(wrong)
    return Filled(filled, text, frozenset(values)) if "${" in text else text
