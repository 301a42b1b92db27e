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
from headgate.server.settings import Settings, SettingsError, load_settings

logger = logging.getLogger(__name__)

WATCH_AFTER_S = 1.0
"""When the watch begins: what it takes would keep the first answers waiting."""
WATCHING_AFTER_S = 2.0
"""When it has surely begun: a change before that is seen by nobody, so the file is read again then."""
SETTLE_MS = 300
"""How long a file may go on changing before it is read: editors write in several steps."""


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
                loop.call_later(WATCHING_AFTER_S, self._asked.set)
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
        """Watch the folder and not the file: editors put a new file into its place."""
        await asyncio.sleep(WATCH_AFTER_S)
        # Its types name trio's, which is not there.
        from watchfiles import awatch  # noqa: PLC0415 # pyright: ignore[reportUnknownVariableType]

        folder = self._path.absolute().parent
        try:
            async for changes in awatch(folder, recursive=False, debounce=SETTLE_MS):
                if any(Path(changed).name == self._path.name for _, changed in changes):
                    self._asked.set()
        except (OSError, RuntimeError) as refused:
            # A system has so many watches, and editors take thousands of them. Serving needs none.
            logger.warning(
                "changes of %s are not noticed by themselves (%s): SIGHUP has it read again", self._path, refused
            )


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
