"""Opening a gate: upstreams on one side, requests on the other. This is where the parts are put together."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from headgate.proxy.connection import Open
from headgate.proxy.journal.journal import Journal
from headgate.proxy.journal.journaled import Writes
from headgate.proxy.journal.later import JournalFile
from headgate.proxy.journal.memory import MemoryJournal
from headgate.proxy.pins import Pins
from headgate.proxy.upstreams import Upstreams
from headgate.server.gate import Gate
from headgate.server.lock import keeping
from headgate.server.openers import opener_of
from headgate.server.settings import Settings, load_settings
from headgate.tools.rules import UpstreamRules


@asynccontextmanager
async def open_gate(settings: Settings | str | Path, *, after: asyncio.Event | None = None) -> AsyncGenerator[Gate]:
    """A gate over the upstreams of `settings`, or of the headgate.toml at that path.

    It is usable at once: upstreams are opened in the background, and a call waits for its own only. With `after` they
    are opened once that is set.

    Raises:
        SettingsError: The file is not as it should be.

    """
    if not isinstance(settings, Settings):
        settings = load_settings(Path(settings))
    openers = {name: (upstream.rules, opener_of(upstream)) for name, upstream in settings.upstreams.items()}
    async with keeping(settings.lock) as pins, gate_over(settings, openers, pins=pins, after=after) as gate:
        yield gate


@asynccontextmanager
async def gate_over(
    settings: Settings,
    openers: Mapping[str, tuple[UpstreamRules, Open]],
    journal: Journal | None = None,
    pins: Pins | None = None,
    *,
    after: asyncio.Event | None = None,
) -> AsyncGenerator[Gate]:
    """A gate over upstreams of your own making, such as `MemoryUpstream`; those of `settings` are not opened.

    Writes are recorded in `journal`; without one, where the settings say. Without `pins`, what tools were when they
    were first seen is known for as long as the gate is open. `after` holds the opening of upstreams up until it is set.
    """
    writes = Writes(journal or _journal(settings))
    upstreams = Upstreams(openers, writes, pins)
    failure: Exception | None = None  # of the context's own body: it leaves as it is, not in a group
    with contextlib.ExitStack() as at_last:
        # The sessions end before the calls are waited for: a write that outlasts the drain ends with its session.
        async with writes.running(), asyncio.TaskGroup() as tasks, upstreams.running(after):
            gate = Gate(settings, upstreams, tasks)
            at_last.callback(gate.close_books)
            try:
                yield gate
            except Exception as broken:  # noqa: BLE001 - raised below
                failure = broken
            finally:
                await gate.drain()
    if failure is not None:
        raise failure


def _journal(settings: Settings) -> Journal:
    place = settings.headgate.journal
    return MemoryJournal() if place is None else JournalFile(place, settings.headgate.journal_arguments)
