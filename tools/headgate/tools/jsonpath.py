"""RFC 9535 paths into results, without its regular-expression functions, whose cost an upstream could drive up."""

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonpath import JSONPathEnvironment
    from jsonpath.path import JSONPath

MAX_PATH = 512
"""Characters of one path."""


class BadPathError(ValueError):
    """A path that is not one; its text says why."""


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path."""

    text: str
    singular: bool
    """Whether it can match one value at most."""
    _compiled: "JSONPath | None"

    def of(self, data: Any) -> list[Any]:
        """Every value in `data` that the path matches, in order."""
        return [data] if self._compiled is None else self._compiled.findall(data)


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
    from jsonpath.exceptions import JSONPathError  # noqa: PLC0415
    from jsonpath.path import JSONPath  # noqa: PLC0415

    try:
        compiled = _environment().compile(rooted)
        # A strict environment has no compound paths, though the library's types admit them.
        assert isinstance(compiled, JSONPath)  # noqa: S101
    except (JSONPathError, RecursionError) as broken:
        reason = str(broken).strip().partition("\n")[0] or "nested too deeply"
        raise BadPathError(f'"{text}" is not an RFC 9535 path: {reason}') from None
    return Path(rooted, compiled.singular_query(), compiled)


@cache
def _environment() -> "JSONPathEnvironment":
    from jsonpath import JSONPathEnvironment  # noqa: PLC0415

    environment = JSONPathEnvironment(strict=True)
    for regular_expression in ("match", "search"):
        del environment.function_extensions[regular_expression]
    return environment
