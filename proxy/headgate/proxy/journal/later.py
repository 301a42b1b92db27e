"""A journal file that is not thought of before it is needed: whoever only reads pays nothing for it."""

from pathlib import Path

from headgate.proxy.journal.journal import ArgumentsKept, Ending, Found, Intent, Journal


class JournalFile:
    """The journal at `path`, of which nothing is imported, opened or made before the first write."""

    def __init__(self, path: Path, arguments: ArgumentsKept = "hash") -> None:
        """`arguments` says what is kept of a write's."""
        self._path = path
        self._arguments: ArgumentsKept = arguments
        self._journal: Journal | None = None

    async def look(self, intent: Intent) -> Found | None:
        """Look the key up."""
        return await self._needed().look(intent)

    async def claim(self, intent: Intent) -> int | Found:
        """Write the intent down."""
        return await self._needed().claim(intent)

    async def settle(self, write: int, ending: Ending) -> None:
        """Write the ending down."""
        await self._needed().settle(write, ending)

    def note(self, write: int, ending: Ending) -> None:
        """Have the ending written down."""
        self._needed().note(write, ending)

    async def close(self) -> None:
        """Close what was opened."""
        if self._journal is not None:
            await self._journal.close()

    def _needed(self) -> Journal:
        if self._journal is None:
            from headgate.proxy.journal.store import SqliteJournal  # noqa: PLC0415 - see above

            self._journal = SqliteJournal(self._path, self._arguments)
        return self._journal
