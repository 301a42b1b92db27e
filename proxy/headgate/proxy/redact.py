"""Keeping secrets out of what is said of an upstream: its own words may repeat what it was given."""

from collections.abc import Mapping

HIDDEN = "•••"
_MIN_SECRET = 4
"""Shorter values are words like "on" or "1": hiding them would hide the sense."""


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
