"""RFC 9535 paths into results, without its regular-expression functions, whose cost an upstream could drive up."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headgate.tools.bounded_path import BoundedPath

MAX_PATH = 512
"""Characters of one path."""
MAX_VISITED = 50_000
"""Values that the paths of one call may look at."""


class BadPathError(ValueError):
    """A path that is not one, or that asks for too much; its text says why."""


@dataclass(slots=True)
class Work:
    """How many values may still be looked at."""

    left: int = MAX_VISITED

    def spend(self) -> None:
        """Take note that one more is looked at.

        Raises:
            BadPathError: That is one too many.

        """
        self.left -= 1
        if self.left < 0:
            raise BadPathError(f"its paths look at more than {MAX_VISITED} values: name smaller parts of the data")


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path."""

    text: str
    singular: bool
    """Whether it can match one value at most."""
    _compiled: "BoundedPath | None"

    def of(self, data: Any, work: Work | None = None) -> list[Any]:
        """Every value in `data` that the path matches, in order. A text is a value, whatever it says.

        Raises:
            BadPathError: It would take more work than is left, or goes too deep.

        """
        return [data] if self._compiled is None else self._compiled.values(data, work or Work())


@lru_cache(maxsize=1024)
def compile_path(text: str) -> Path:
    """The path that `text` writes down; `order.id` is taken for `$.order.id`.

    Raises:
        BadPathError: It is not an RFC 9535 path, or uses a function of regular expressions.

    """
    if text in ("$", ""):
        return Path("$", singular=True, _compiled=None)
    if len(text) > MAX_PATH:
        raise BadPathError(f"a path is at most {MAX_PATH} characters long")
    rooted = text if text.startswith("$") else f"${text}" if text.startswith(("[", ".")) else f"$.{text}"
    # Imported here: a batch without paths, which is most of them, need not pay for the library's start.
    from headgate.tools.bounded_path import compiled  # noqa: PLC0415

    try:
        path = compiled(rooted)
    except BadPathError as bad:
        raise BadPathError(f'"{text}" is not an RFC 9535 path: {bad}') from None
    return Path(rooted, path.singular_query(), path)
