"""What an upstream prints where only its messages belong, told now and then instead of each time."""

import asyncio
import logging

from headgate.proxy.redact import redacted

logger = logging.getLogger(__name__)

EVERY_S = 60.0
"""How often it is told, at most."""
_SHOWN = 80


class Noise:
    """Counts the lines of one upstream that are no message."""

    def __init__(self, upstream: str, secrets: frozenset[str]) -> None:
        """`secrets` are hidden in what is shown of a line."""
        self.count = 0
        self._upstream = upstream
        self._secrets = secrets
        self._quiet_until = float("-inf")

    def heard(self, line: bytes) -> None:
        """Count a line, and tell of it unless that was done of late."""
        self.count += 1
        now = asyncio.get_running_loop().time()
        if now < self._quiet_until:
            return
        self._quiet_until = now + EVERY_S
        shown = redacted(line[: 4 * _SHOWN].decode(errors="replace"), self._secrets)[:_SHOWN]
        words = "".join(char if char.isprintable() else " " for char in shown).strip()
        logger.warning(
            'upstream "%s" prints on its stdout what is no message (%d lines so far), such as: %s',
            self._upstream,
            self.count,
            words,
        )
