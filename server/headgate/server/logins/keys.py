"""Keys in the operating system's keyring, one for each login.

A key has the same few bytes always. A login has not, and some keyrings take no more than 2.5 KB; and a login that is
renewed while headgate serves is none of the keyring's business.
"""

import logging
from contextlib import suppress

logger = logging.getLogger(__name__)

_SERVICE = "headgate"


def find_key(entry: str) -> str | None:
    """The key of that name; `None` where there is none, or no keyring to be asked."""
    with suppress(Exception):  # each system's keyring has errors of its own
        import keyring  # noqa: PLC0415 - slow to import, and for logins only

        return keyring.get_password(_SERVICE, entry)
    return None


def make_key(entry: str) -> str | None:
    """A new key of that name; `None` where no keyring keeps it."""
    from cryptography.fernet import Fernet  # noqa: PLC0415 - for logins only

    key = Fernet.generate_key().decode()
    with suppress(Exception):
        import keyring  # noqa: PLC0415

        keyring.set_password(_SERVICE, entry, key)
    return key if find_key(entry) == key else None


def drop_key(entry: str) -> None:
    """Forget the key of that name."""
    with suppress(Exception):
        import keyring  # noqa: PLC0415

        keyring.delete_password(_SERVICE, entry)
