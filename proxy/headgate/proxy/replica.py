"""One session with an upstream, and the task that owns it.

The owner opens the session, lists the tools, waits for its end and opens it again, waiting longer each time that it
does not hold.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from headgate.proxy.connection import CallFailedError, Connection, Open, Opening, UnavailableError
from headgate.proxy.passing import Passing

logger = logging.getLogger(__name__)

LIST_S = 20.0
"""How long an upstream may take over its list of tools before it counts as failed."""
RELIST_S = 0.5
"""How long an upstream that says again and again that its tools have changed waits until they are listed again."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 30.0
_HELD_S = 30.0
"""A session that held this long has shown that the upstream works: the next wait is short again."""

_PATIENCE_S = 0.5
"""If a session that worked is gone and the next opening is due this soon, calls wait for it."""

State = Literal["starting", "ready", "failed"]
Listed = Callable[[Sequence[Mapping[str, Any]]], Awaitable[None]]
"""Takes in each list of tools, before the replica counts as ready."""


class Replica:
    """Run `run` in one task."""

    def __init__(
        self, upstream: str, open_session: Open, listed: Listed, changed: Callable[[], None], passing: Passing
    ) -> None:
        """`changed` is told whenever `state` or the list of tools is another."""
        self._passing = passing
        self.state: State = "starting"
        self.reason: str | None = None
        """Why it is not ready, as a sentence without secrets."""
        self.connection: Connection | None = None
        self.ready_after_s: float | None = None
        self.in_flight = 0
        """Calls that it has; counted by whoever makes them."""
        self._upstream = upstream
        self._open = open_session
        self._listed = listed
        self._changed = changed
        self._stale = asyncio.Event()
        self._closing = False
        self._was_ready = False
        """Whether the session that is open, or was last, has come as far as its list of tools."""

    def close(self) -> None:
        """Open no session any more. A session that breaks at that moment can swallow its owner's cancellation."""
        self._closing = True

    async def run(self) -> None:
        """Own the session, until closed and cancelled."""
        loop = asyncio.get_running_loop()
        wait_s = _FIRST_WAIT_S
        while True:
            opened_at = loop.time()
            self._was_ready = False
            reason = await self._one_session(opened_at)
            if self._closing:
                return
            held = self._was_ready and loop.time() - opened_at > _HELD_S
            wait_s = _FIRST_WAIT_S if held else min(wait_s * 2, _LONGEST_WAIT_S)
            self.connection = None
            patience = self._was_ready and wait_s <= _PATIENCE_S
            self._become("starting" if patience else "failed", reason)
            logger.warning('upstream "%s" is not available: %s', self._upstream, reason)
            # Jitter, so that upstreams that went down together are not all opened at the same instant.
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - not about security
            self._become("starting", reason)

    def turn_away_from(self, connection: Connection, reason: str) -> None:
        """Send no more calls over a session that is about to end: they wait for the next one."""
        if self.connection is connection:
            self.connection = None
            self._become("starting", reason)

    async def _one_session(self, opened_at: float) -> str:
        """Open a session and keep its listing current; the reason of its end."""
        try:
            opening = Opening(self._upstream, self._stale.set, self._passing.news, self._passing.anyone)
            async with self._open(opening) as connection:
                await self._list(connection)
                self._was_ready = True
                self.ready_after_s = asyncio.get_running_loop().time() - opened_at
                self.connection = connection
                self._become("ready", None)
                try:
                    await self._passing.begin(connection)
                    return await self._until_closed(connection)
                finally:
                    self._passing.end(connection)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return "its session was cancelled"
        except Exception as broken:  # noqa: BLE001 - whatever it is, it is this upstream's and stays with it
            return reason_of(broken)

    async def _until_closed(self, connection: Connection) -> str:
        """Wait for the end of the session; list again whenever the upstream says that its tools have changed."""
        async with asyncio.TaskGroup() as tasks:
            relisting = tasks.create_task(self._relist(connection))
            reason = await connection.closed()
            relisting.cancel()
        # Leaving the session may take a while, and calls had better not wait for an answer of one that has ended.
        self.turn_away_from(connection, reason)
        return reason

    async def _relist(self, connection: Connection) -> None:
        while True:
            await self._stale.wait()
            try:
                await self._list(connection)
            except (UnavailableError, CallFailedError) as failed:
                logger.warning('upstream "%s" keeps the tools that it had: %s', self._upstream, failed)
            else:
                self._changed()
            await asyncio.sleep(RELIST_S)

    async def _list(self, connection: Connection) -> None:
        self._stale.clear()
        try:
            async with asyncio.timeout(LIST_S):
                await self._listed(await connection.list_tools())
        except TimeoutError:
            raise UnavailableError(f"no answer to tools/list in {LIST_S:g} s") from None

    def _become(self, state: State, reason: str | None) -> None:
        self.state = state
        self.reason = reason
        self._changed()


def reason_of(broken: BaseException) -> str:
    """The sentence of the first UnavailableError or CallFailedError in `broken`; else what kind of error it is.

    Task groups wrap what ends them, and the text of a foreign error may hold anything, a token included.
    """
    pending: list[BaseException] = [broken]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending += error.exceptions  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        elif isinstance(error, UnavailableError | CallFailedError):
            return str(error)
        elif not isinstance(error, asyncio.CancelledError):
            return f"its session broke ({type(error).__name__})"
    return "its session was cancelled"
