"""Names for tools and their arguments that models and clients take. Pure: no I/O."""

import re
from collections.abc import Iterable
from itertools import chain, count

_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9-]+")
_NOT_IN_ARGUMENT = re.compile(r"[^A-Za-z0-9_.-]+")
MAX_ARGUMENT = 64
"""Characters of an argument's name: what the APIs of models take."""


def argument_name(name: str) -> str:
    """`name` as an argument is called: `filter[status]` is `filter_status`, and `$top` is `top`."""
    return _NOT_IN_ARGUMENT.sub("_", name).strip("_")[:MAX_ARGUMENT] or "value"


def tool_name(name: str) -> str:
    """`name` as a tool is called: `repos/get` is `repos_get`."""
    return _NOT_ALLOWED.sub("_", name).strip("_") or "endpoint"


def unique(name: str, taken: Iterable[str], hint: str = "", most: int | None = None) -> str:
    """`name`, or where that is taken already, it with `hint`, and then with a number: of `most` characters at most."""
    taken = set(taken)
    endings = ["", f"_{hint}"] if hint else [""]
    numbered = (f"{endings[-1]}_{number}" for number in count(2))
    candidates = (name[: most and max(most - len(ending), 0)] + ending for ending in chain(endings, numbered))
    return next(candidate for candidate in candidates if candidate not in taken)
