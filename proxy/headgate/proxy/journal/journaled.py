"""The last step of a write before its connection: the intent is written down, then it is sent, then its ending.

A write that is sent goes on to its end, whoever stops waiting for it: to cut one short would make an unknown outcome of
one that is about to be known. It has a task of its own for that. Its caller may have left at its timeout, and has been
told that nobody knows; an answer that comes *late* settles the record, so that the same key gets the true outcome.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from headgate.proxy.attempt import Attempt, CallPath
from headgate.proxy.connection import MAX_LATE, AnsweredWithErrorError, CallFailedError
from headgate.proxy.journal.failpoint import reach
from headgate.proxy.journal.journal import Ending, Journal, JournalError
from headgate.proxy.journal.keyed import Keyed, intent_of
from headgate.proxy.journal.replay import refused, replayed
from headgate.proxy.recall import RECALL, Recall

logger = logging.getLogger(__name__)

LATE_S = 600.0
"""How long an answer is waited for that nobody waits for any more."""

Result = Mapping[str, Any]


class Writes:
    """The writes of one process that have been sent. `running` owns them."""

    def __init__(self, journal: Journal) -> None:
        """`journal` is closed in the end."""
        self._journal = journal
        self._late: set[_Late] = set()
        self._group: asyncio.TaskGroup

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Let writes be made. In the end what is still out is given up; by then its sessions should have ended."""
        try:
            async with asyncio.TaskGroup() as self._group:
                try:
                    yield
                finally:
                    for late in self._late:
                        late.give_up()
        finally:
            await self._journal.close()

    def keyed(self, inner: CallPath) -> CallPath:
        """Let a write under a key be made once, by whatever goes through `inner`."""
        return Keyed(self._journal, inner).call

    def journaled(self, send: CallPath, answered: Callable[[Attempt], None] = lambda _attempt: None) -> CallPath:
        """Write down each write that goes out through `send`, before and after.

        `answered` is told once its answer has come, before that is written down: what it lets go out next is written
        down no sooner.
        """
        late = _Late()
        self._late.add(late)

        async def call(attempt: Attempt) -> Result:
            if attempt.write is None:
                found = await self._begin(attempt)
                if found is not None:
                    return found
            recall = Recall()
            sending = self._group.create_task(self._carry(send, answered, attempt, recall))
            try:
                answer = await asyncio.shield(sending)
            except asyncio.CancelledError:
                if recall.take_back():
                    attempt.sent = False
                self._leave(sending, attempt, late)
                raise
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    async def _begin(self, attempt: Attempt) -> Result | None:
        """Write the intent down; or the result of the write that holds its key."""
        intent = intent_of(attempt)
        reach("queued")
        try:
            claimed = await self._journal.claim(intent)
        except JournalError as wrong:
            raise refused(wrong) from None
        if not isinstance(claimed, int):
            return replayed(claimed, intent.fingerprint, attempt)
        reach("claimed")
        attempt.write = claimed
        _forward(attempt)
        return None

    async def _carry(
        self, send: CallPath, answered: Callable[[Attempt], None], attempt: Attempt, recall: Recall
    ) -> Result | Exception:
        """What became of a write that is sent now; a failure too is given, since nobody may be there to catch it."""
        write = attempt.write
        if write is None:
            raise RuntimeError("a write goes out that is not written down")
        RECALL.set(recall)
        try:
            reach("sending")
            result = await send(attempt)
        except CallFailedError as failed:
            self._failed(write, failed, attempt)
            return failed
        except asyncio.CancelledError:
            task = asyncio.current_task()
            ended = CallFailedError("UPSTREAM_ERROR", "the upstream's session has ended", sent=attempt.sent)
            self._failed(write, ended, attempt)
            if task is not None and task.cancelling():
                raise
            return ended
        except Exception as broken:  # noqa: BLE001 - it is raised again where somebody waits for it
            why = CallFailedError("UPSTREAM_ERROR", "headgate failed over it", sent=attempt.sent)
            self._failed(write, why, attempt)
            return broken
        reach("answered")
        answered(attempt)
        await self._journal.settle(write, _ending_of(result))
        reach("settled")
        return result

    def _failed(self, write: int, failed: CallFailedError, attempt: Attempt) -> None:
        if failed.sent:
            attempt.in_doubt = True
            self._journal.note(write, Ending("unknown", code="OUTCOME_UNKNOWN", message=str(failed)))
        elif isinstance(failed, AnsweredWithErrorError):
            self._journal.note(write, Ending("failed", code=failed.code, message=str(failed)))
        elif not attempt.in_doubt:
            self._journal.note(write, Ending("not_sent", code=failed.code, message=str(failed)))
            attempt.write = None

    def _leave(self, sending: asyncio.Task[Result | Exception], attempt: Attempt, late: "_Late") -> None:
        """Wait for a write no longer: call off what has not gone out, and let the rest go on."""
        if not attempt.sent or attempt.write is None:
            sending.cancel()
        elif not sending.done():
            words = f"no answer in {attempt.timeout_s:g} s"
            self._journal.note(attempt.write, Ending("unknown", code="OUTCOME_UNKNOWN", message=words))
            late.add(sending)


class _Late:
    """Writes to one upstream that nobody waits for any more. The longest wait is given up first."""

    def __init__(self) -> None:
        self._timers: dict[asyncio.Task[Result | Exception], asyncio.TimerHandle] = {}

    def add(self, sending: asyncio.Task[Result | Exception]) -> None:
        if len(self._timers) >= MAX_LATE:
            longest = next(iter(self._timers))
            self._ended(longest)
            longest.cancel()
        self._timers[sending] = asyncio.get_running_loop().call_later(LATE_S, sending.cancel)
        sending.add_done_callback(self._ended)

    def give_up(self) -> None:
        for sending in self._timers:
            sending.cancel()

    def _ended(self, sending: asyncio.Task[Result | Exception]) -> None:
        timer = self._timers.pop(sending, None)
        if timer is None:
            return
        timer.cancel()
        if sending.done() and not sending.cancelled() and not isinstance(sending.result(), Exception):
            logger.info("a write was answered after its timeout: the journal has its outcome now")


def _ending_of(result: Result) -> Ending:
    if result.get("resultType") == "input_required":
        # Nothing is done yet: the same write comes again, with what was asked for.
        return Ending("not_sent", message="its upstream asks for input first")
    return Ending("failed" if result.get("isError") is True else "ok", result)


def _forward(attempt: Attempt) -> None:
    """Let the write take its key with it, where its tool takes one; without a key of the caller's, one of its own."""
    forward = attempt.tool.rules.forward
    if forward is None:
        return
    key = attempt.key or f"headgate-{secrets.token_hex(16)}"
    if attempt.key and attempt.principal:
        # The server knows headgate only: what two principals call alike must not be one write there.
        key = sha256(f"{attempt.principal}\n{attempt.key}".encode()).hexdigest()
    match forward.into:
        case "argument":
            attempt.arguments = {forward.name: key, **attempt.arguments}
        case "meta":
            attempt.meta = {forward.name: key}
        case "header":
            attempt.headers = {forward.name: key}
