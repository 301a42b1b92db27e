"""Keeping secrets out of what is said of an upstream: its own words may repeat what it was given."""

import re
from collections.abc import Mapping, Sequence

HIDDEN = "•••"
_MIN_SECRET = 4
"""Shorter values are words like "on" or "1": hiding them would hide the sense."""


_TELLTALE = re.compile(
    r"token|secret|passw|pwd|credential|auth(?!ors?$)|bearer|(?:^|[_-])pat$|(?:api|access|private)[_-]?key|^-*key$",
    re.IGNORECASE,
)
"""What an option or a variable is called whose value is a secret."""
_USER_INFO = re.compile(r"[a-z][a-z0-9+.-]*://[^/@\s:]*:([^/@\s]+)@", re.IGNORECASE)


def secrets_in_args(args: Sequence[str]) -> frozenset[str]:
    """The words of a command line that must not be shown: values of options named like secrets, passwords in URLs."""
    found: set[str] = set()
    awaited = False
    for arg in args:
        name, is_pair, value = arg.partition("=")
        if awaited and not arg.startswith("-"):
            found.add(arg)
        elif is_pair and _TELLTALE.search(name):
            found.add(value)
        found.update(_USER_INFO.findall(arg))
        # `Authorization: Bearer …`, as one word of a command line.
        header, is_header, text = arg.partition(":")
        if is_header and _TELLTALE.search(header) and "/" not in header:
            found.update((text.strip(), text.strip().rpartition(" ")[2]))
        awaited = arg.startswith("-") and not is_pair and _TELLTALE.search(name) is not None
    return frozenset(secret for secret in found if len(secret.strip()) >= _MIN_SECRET)


def secrets_in(given: Mapping[str, str]) -> frozenset[str]:
    """The values of an environment or of headers that must not be shown, in whole or by line or word."""
    found: set[str] = set()
    for value in given.values():
        found.update((value, *value.splitlines()))
        scheme, _, token = value.partition(" ")
        if token and scheme.isalpha():  # as in "Bearer …": an upstream that complains names the token alone
            found.add(token)
    return frozenset(secret for secret in found if len(secret.strip()) >= _MIN_SECRET)


def redacted(text: str, secrets: frozenset[str]) -> str:
    """`text` with each of `secrets` hidden."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
