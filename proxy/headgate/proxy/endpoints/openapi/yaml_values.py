"""Plain values out of YAML, read as OpenAPI has it: what JSON has no other word for is text. Pure: no I/O."""

import re
from collections.abc import Mapping
from typing import Any, cast

import yaml

from headgate.proxy.endpoints.openapi.document import MAX_DEPTH, BadDocumentError

_PLAIN: Mapping[str, tuple[str, list[str]]] = {
    "null": (r"(?:~|null|Null|NULL)?\Z", [*"~nN", ""]),
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)\Z", [*"tTfF"]),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)\Z", [*"-+0123456789"]),
    "float": (r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?\Z", [*"-+.0123456789"]),
    "merge": (r"<<\Z", ["<"]),
}
"""What without quotes is no text, and what it can begin with.

The library reads YAML 1.1, where NO is false, 12:30 is 750, 010 is 8 and 2026-01-01 is a date. To whoever writes
OpenAPI it is a country, a time of day, a code and a text.
"""
_MAX_MERGED = 500_000
"""Members of mappings that are merged into others."""
_TOO_MANY = "stands for more values than can be held: an alias is used over and over"


def values_in(text: bytes) -> Any:
    """What `text` says.

    Raises:
        BadDocumentError: It is no YAML, or too deep or too large a one.

    """
    loader = _loader()
    try:
        _check_depth(text, loader)
        return yaml.load(text, loader)  # noqa: S506 - it is a safe one
    except yaml.MarkedYAMLError as wrong:
        where = "" if wrong.problem_mark is None else f" in line {wrong.problem_mark.line + 1}"
        raise BadDocumentError(f"is neither JSON nor YAML: {wrong.problem or 'malformed'}{where}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as wrong:
        if isinstance(wrong, BadDocumentError):
            raise
        raise BadDocumentError("is neither JSON nor YAML") from None


def _check_depth(text: bytes, loader: type[yaml.SafeLoader]) -> None:
    """Refuse what is nested too deeply: the library puts it together by recursion in C, which ends the process."""
    depth = 0
    for event in yaml.parse(text, loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise BadDocumentError("is nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _loader() -> type[yaml.SafeLoader]:
    """A safe loader, of C where there is one, for one document."""
    base = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    merged = within = 0

    def flatten_mapping(self: yaml.SafeLoader, node: yaml.MappingNode) -> None:
        """Put what is merged into a mapping in its place, which asks for the same of what is merged."""
        nonlocal merged, within
        within += 1
        base.flatten_mapping(self, node)
        within -= 1
        merged += len(node.value) if within else 0
        if merged > _MAX_MERGED:
            raise BadDocumentError(_TOO_MANY)

    made: Any = type("Loader", (base,), {"yaml_implicit_resolvers": {}, "flatten_mapping": flatten_mapping})
    for kind, (pattern, first) in _PLAIN.items():
        made.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(pattern), first)
    return made
