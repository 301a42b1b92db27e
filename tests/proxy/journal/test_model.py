"""The journal in a file does what the one in memory does, whatever is asked of both; and that is what a key means."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.proxy.journal.books import OK, UNKNOWN, intent

from headgate.proxy.journal.journal import Ending, Found
from headgate.proxy.journal.ledger import LEFT_BEHIND
from headgate.proxy.journal.memory import MemoryJournal
from headgate.proxy.journal.records import opened
from headgate.proxy.journal.store import SqliteJournal
from headgate.proxy.journal.verify import faults_in
from headgate.tools.keys import KEPT_S

ENDINGS = (OK, Ending("failed", code="TOOL_ERROR", message="no"), UNKNOWN, Ending("not_sent", code="CANCELLED"))


@dataclass(frozen=True, slots=True)
class Claim:
    key: str
    sum: int


@dataclass(frozen=True, slots=True)
class Settle:
    which: int
    ending: Ending


@dataclass(frozen=True, slots=True)
class Pass:
    seconds: float


@dataclass(frozen=True, slots=True)
class Restart:
    """As after a crash: what was under way is under way no more."""


STEPS = st.lists(
    st.builds(Claim, st.sampled_from("ab"), st.integers(1, 2))
    | st.builds(Settle, st.integers(0, 9), st.sampled_from(ENDINGS))
    | st.builds(Pass, st.sampled_from((1.0, KEPT_S - 1, KEPT_S)))
    | st.just(Restart()),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_both_journals_say_the_same(steps: list[Claim | Settle | Pass | Restart]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        asyncio.run(_play(steps, path))
        if path.exists():
            with opened(path) as connection:
                assert faults_in(connection) == []


async def _play(steps: list[Claim | Settle | Pass | Restart], path: Path) -> None:
    now = [1_000_000.0]
    model = MemoryJournal(lambda: now[0])
    journal = SqliteJournal(path, clock=lambda: now[0])
    pairs: list[tuple[int, int]] = []
    try:
        for step in steps:
            match step:
                case Claim(key, amount):
                    expected = await model.claim(intent(key, sum=amount))
                    got = await journal.claim(intent(key, sum=amount))
                    if isinstance(expected, Found) or isinstance(got, Found):
                        assert isinstance(expected, Found)
                        assert isinstance(got, Found)
                        assert (got.fingerprint, got.ending) == (expected.fingerprint, expected.ending)
                        assert (expected.id, got.id) in pairs
                    else:
                        pairs.append((expected, got))
                case Settle(which, ending):
                    if which < len(pairs):
                        model.note(pairs[which][0], ending)
                        await journal.settle(pairs[which][1], ending)
                case Pass(seconds):
                    now[0] += seconds
                case Restart():
                    await journal.close()
                    journal = SqliteJournal(path, clock=lambda: now[0])
                    for ours, _ in pairs:
                        model.note(ours, LEFT_BEHIND)
    finally:
        await journal.close()
