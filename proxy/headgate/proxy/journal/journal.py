"""What a journal of writes does, whatever it is kept in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from headgate.tools.keys import WriteState
from headgate.tools.outcome import ErrorCode

ArgumentsKept = Literal["none", "hash", "full"]
"""Of a write's arguments: nothing, their fingerprint and names, or all."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A write that is about to go out."""

    principal: str
    upstream: str
    tool: str
    key: str | None
    fingerprint: str
    arguments: Mapping[str, Any]

    @property
    def scope(self) -> tuple[str, str, str, str | None]:
        """Where its key holds."""
        return self.principal, self.upstream, self.tool, self.key


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a write."""

    state: WriteState
    result: Mapping[str, Any] | None = None
    """The `tools/call` result, where there was one."""
    code: ErrorCode | None = None
    """Why there was none, and `message` in words."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The write that holds a key already."""

    id: int
    fingerprint: str
    ending: Ending
    """Its state is `intent` for one that is under way."""
    here: bool = False
    """Whether it is, or was, a write of this process."""


class JournalError(Exception):
    """The journal cannot be written or read. Its text is a sentence for the operator, without secrets."""


class Journal(Protocol):
    """Where writes are written down. One of a process's; any number of tasks may use it."""

    async def look(self, intent: Intent) -> Found | None:
        """The write that holds the intent's key, if any does.

        Raises:
            JournalError: The journal cannot be used.

        """
        ...

    async def claim(self, intent: Intent) -> int | Found:
        """Write the intent down, for good when this returns: its number; or the write that holds its key already.

        Raises:
            JournalError: It is not written down: nothing may be sent.

        """
        ...

    async def settle(self, write: int, ending: Ending) -> None:
        """Write down what became of a write, for good when this returns. What is settled already stays as it is.

        What cannot be written now is written as soon as that is possible.
        """
        ...

    def note(self, write: int, ending: Ending) -> None:
        """The same, for whoever need not wait: of an intent without an ending nobody will ever think it was settled."""
        ...

    async def close(self) -> None:
        """Write down what is still to be written, and let go of it all."""
        ...
