"""The names under which upstream tools are offered."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from hashlib import sha256

MAX_NAME = 48
"""Clients put a prefix of their own before a tool's name and cut the whole at 60 to 64 characters."""

SEPARATOR = "__"
RESERVED = frozenset(("batch_call", "batch_read", "find_tools", "get_result"))
"""The names of headgate's own tools."""
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]")
_HASH_LENGTH = 8
_GLOB = re.compile(r"[*?\[]")


def offered_name(upstream: str, tool: str) -> str:
    """`UPSTREAM__TOOL` within 48 characters of `[A-Za-z0-9_-]`; a longer one is shortened in its middle."""
    exact = f"{upstream}{SEPARATOR}{tool}"
    name = _NOT_ALLOWED.sub("_", exact)
    return name if len(name) <= MAX_NAME else with_hash(name, exact)


def own_name(upstream: str, tool: str) -> str:
    """The tool's own name, for an upstream without prefix; where clients could not take it, as `offered_name`."""
    plain = len(tool) <= MAX_NAME and not _NOT_ALLOWED.search(tool) and tool not in RESERVED
    return tool if plain else offered_name(upstream, tool)


def with_hash(name: str, exact: str) -> str:
    """`name` with a hash of `exact` in its middle, for names that are too long or would be taken twice."""
    digest = sha256(exact.encode()).hexdigest()[:_HASH_LENGTH]
    room = MAX_NAME - len(digest) - 2
    head = min(len(name), (room + 1) // 2)
    tail = min(len(name) - head, room - head)
    return f"{name[:head]}-{digest}-{name[len(name) - tail :]}" if tail else f"{name[:head]}-{digest}"


def matches(name: str, globs: Iterable[str]) -> bool:
    """Whether one of `globs` stands for `name`."""
    return any(fnmatchcase(name, glob) for glob in globs)


def could_match(upstream: str, glob: str) -> bool:
    """Whether `glob` may stand for some tool of `upstream`, going by how it begins."""
    fixed, prefix = _GLOB.split(glob, maxsplit=1)[0], f"{upstream}{SEPARATOR}"
    return fixed.startswith(prefix) or (fixed != glob and prefix.startswith(fixed))
