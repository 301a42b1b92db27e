"""The settings file while headgate serves: what is changed in it holds from then on, and a bad file changes nothing."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from headgate.server.beside import beside
from headgate.server.gate import Gate
from headgate.server.lock.keeper import Stamp, stamp_of
from headgate.server.settings import Settings, SettingsError, load_settings

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often it is looked whether the file is another."""
SETTLE_S = 0.3
"""How long it has to stay as it is before it is read: editors write in several steps, or take it away first."""
MAX_SETTLES = 10
"""One that goes on changing is read all the same."""


@asynccontextmanager
async def reloading(gate: Gate) -> AsyncGenerator[None]:
    """Keep `gate` to its settings file, where it has one, for as long as the context is open."""
    source = gate.settings.source
    if source is None:
        yield
        return
    async with beside(Reloader(gate, Path(source)).run()):
        yield


class Reloader:
    """Keeps a gate to what its settings file says."""

    def __init__(self, gate: Gate, path: Path) -> None:
        """`path` is where `gate` has its settings from."""
        self._gate = gate
        self._path = path
        self._asked = asyncio.Event()

    async def run(self) -> None:
        """Read the file again whenever it changes, and on SIGHUP, until cancelled."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, AttributeError, ValueError):
            loop.add_signal_handler(signal.SIGHUP, self._asked.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch())
                while True:
                    await self._asked.wait()
                    self._asked.clear()
                    await self.reread()
        finally:
            with contextlib.suppress(NotImplementedError, AttributeError, ValueError):
                loop.remove_signal_handler(signal.SIGHUP)

    async def reread(self) -> bool:
        """Go by the file as it is now; whether it could be. What is wrong with it is logged, and changes nothing."""
        try:
            settings = await asyncio.to_thread(load_settings, self._path)
        except SettingsError as wrong:
            logger.error("the settings stay as they were, for the file cannot be used:\n%s", wrong)  # noqa: TRY400
            return False
        before = self._gate.settings
        if settings != before:
            self._gate.become(settings)
            logger.info("the settings were read again: %s", difference(before, settings))
            for notice in settings.notices:
                logger.warning("%s", notice)
        return True

    async def _watch(self) -> None:
        """Have the file read again whenever it may be another, and once at first: it may have changed before that."""
        path = self._path.absolute()
        await asyncio.sleep(LOOK_S)  # what it takes would keep the first answers waiting
        while True:
            seen = await _settled(path)
            self._asked.set()
            while await asyncio.to_thread(stamp_of, path) == seen:  # noqa: ASYNC110 - nothing sets an event
                await asyncio.sleep(LOOK_S)


async def _settled(path: Path) -> Stamp | None:
    """The stamp of a file that has stayed as it is for a while."""
    stamp = await asyncio.to_thread(stamp_of, path)
    for _ in range(MAX_SETTLES):
        await asyncio.sleep(SETTLE_S)
        before, stamp = stamp, await asyncio.to_thread(stamp_of, path)
        if stamp == before:
            break
    return stamp


def difference(before: Settings, now: Settings) -> str:
    """What is other in `now`, in a few words."""
    told = [
        f"{word} {', '.join(names)}"
        for word, names in (
            ("new", [name for name in now.upstreams if name not in before.upstreams]),
            ("gone", [name for name in before.upstreams if name not in now.upstreams]),
            ("changed", [name for name, it in now.upstreams.items() if it != before.upstreams.get(name, it)]),
        )
        if names
    ]
    told += [
        f"changed [{table}]"
        for table in ("headgate", "recipes", "prefetch", "tenants")
        if getattr(before, table) != getattr(now, table)
    ]
    return "; ".join(told) or "nothing that matters has changed"
