"""A change of a client's config, shown without the secrets that stand around it."""

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import cast

from headgate.server.clients.withheld import is_secret

_PRIVATE_TABLES = frozenset({"env", "headers", "http_headers"})
_SHORT = 4


def shown(before: str, after: str, content: Mapping[str, object], name: str) -> str:
    """A diff of the two texts; `content` is what `before` holds, whose secrets are blotted out."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, name, lineterm="")
    text = "\n".join(lines)
    for secret in sorted(set(_secrets(content, "", private=False)), key=len, reverse=True):
        for written in {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}:
            text = text.replace(written, "…")
    return text


def _secrets(value: object, name: str, *, private: bool) -> Iterator[str]:
    """Every text that is secret by its name, its looks or its place."""
    if isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            yield from _secrets(item, key, private=private or key in _PRIVATE_TABLES)
    elif isinstance(value, list):
        items = cast("list[object]", value)
        for flag, item in zip(("", *items), items, strict=False):
            yield from _secrets(item, flag if isinstance(flag, str) else "", private=private)
    elif isinstance(value, str) and len(value) >= _SHORT and (private or "://" in value or is_secret(name, value)):
        yield value
