"""The JSONPath library with a bound on its work: a short path can visit a result's values over and over.

Apart from `jsonpath.py`, so that a batch without paths, which is most of them, need not pay for the library's start.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from jsonpath import JSONPathEnvironment, JSONPathMatch
from jsonpath.exceptions import JSONPathError
from jsonpath.filter import BaseExpression, FilterQuery, IntegerLiteral
from jsonpath.parse import Parser
from jsonpath.path import JSONPath
from jsonpath.selectors import Filter
from jsonpath.stream import TokenStream

from headgate.tools.jsonpath import BadPathError, Work

_WORK = "work"


class BoundedPath(JSONPath):
    """A path that counts each value it looks at, within its filters too."""

    def finditer(self, data: Any, *, filter_context: Mapping[str, Any] | None = None) -> Iterable[JSONPathMatch]:
        """Every match in `data`, which is never taken for JSON text; the `Work` is in the filter context."""
        matches: Iterable[JSONPathMatch] = [_Node(data, data, filter_context or {_WORK: Work()})]
        for segment in self.segments:
            matches = segment.resolve(matches)
        return matches

    def values(self, data: Any, work: Work) -> list[Any]:
        """Every value in `data` that the path matches.

        Raises:
            BadPathError: It cannot be said with so much work.

        """
        try:
            return [match.obj for match in self.finditer(data, filter_context={_WORK: work})]
        except (JSONPathError, RecursionError):
            raise BadPathError(f'"{self}" goes deeper into the data than is allowed') from None


class _Node(JSONPathMatch):
    """A match without the text of its place, which nobody reads and which costs more than the match."""

    __slots__ = ()

    def __init__(self, obj: object, root: Any, context: Mapping[str, Any]) -> None:
        self.obj = obj
        self.root = root
        self._filter_context = context
        work: Work = context[_WORK]
        work.spend()

    def new_child(self, obj: object, key: int | str) -> JSONPathMatch:  # noqa: ARG002 - the library's signature
        return _Node(obj, self.root, self._filter_context)

    def add_child(self, *children: JSONPathMatch) -> None:
        pass


class _Parser(Parser):
    """The library's, which would read every integer of a filter as a float first: of more than 53 bits, another one."""

    def parse_integer_literal(self, stream: TokenStream) -> BaseExpression:
        written = stream.current().value
        literal = super().parse_integer_literal(stream)
        return literal if "e" in written.lower() else IntegerLiteral(value=int(written))


class _Environment(JSONPathEnvironment):
    parser_class = _Parser


def compiled(text: str) -> BoundedPath:
    """The path that `text` writes down.

    Raises:
        BadPathError: It is none; the text says why.

    """
    try:
        path = _ENVIRONMENT.compile(text)
        # A strict environment has no compound paths, though the library's types admit them.
        assert isinstance(path, JSONPath)  # noqa: S101
    except (JSONPathError, RecursionError) as broken:
        raise BadPathError(str(broken).strip().partition("\n")[0] or "nested too deeply") from None
    except (OverflowError, ValueError):  # the library's own: 1e400, or an index with an exponent
        raise BadPathError("there is a number in it that cannot be read") from None
    _bound_filters(path)
    return BoundedPath(env=_ENVIRONMENT, segments=path.segments)


def _bound_filters(path: JSONPath) -> None:
    """Let the paths within the filters of `path` count as well."""
    pending: list[BaseExpression] = [
        selector.expression
        for segment in path.segments
        for selector in segment.selectors
        if isinstance(selector, Filter)
    ]
    while pending:
        expression = pending.pop()
        pending += expression.children()
        if isinstance(expression, FilterQuery):
            expression.path = BoundedPath(env=_ENVIRONMENT, segments=expression.path.segments)


def _environment() -> JSONPathEnvironment:
    environment = _Environment(strict=True)
    for regular_expression in ("match", "search"):
        del environment.function_extensions[regular_expression]
    return environment


_ENVIRONMENT = _environment()
