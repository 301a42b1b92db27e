"""Where writes are recorded."""

from pathlib import Path

import platformdirs

from headgate.server.settings.problems import Findings

IN_MEMORY = "memory"
"""Written in the place of a path: the record lasts as long as headgate runs."""
_PATH = ("headgate", "journal")


def journal_place(written: str | None, base: Path | None, findings: Findings) -> Path | None:
    """The file to record writes in, or None for memory. A relative path is seen from `base`."""
    if written == IN_MEMORY:
        return None
    if written is None:
        return platformdirs.user_state_path("headgate", appauthor=False) / "journal.db"
    if not written.strip() or "\0" in written:
        findings.problem(_PATH, f'this is no path: name a file, or write "{IN_MEMORY}" to keep the record in memory')
        return None
    try:
        place = Path(written).expanduser()
    except RuntimeError:
        findings.problem(_PATH, "the home folder that ~ stands for is not known; write the path in full")
        return None
    return place if base is None else base / place
