"""Batches that have been run or are running: their replies, and their results for as long as they are kept."""

import os
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from headgate.proxy.driver import Driver
from headgate.tools.budget import size_of
from headgate.tools.compact import compact
from headgate.tools.outcome import Answer, Outcome
from headgate.tools.page import Page, page_of
from headgate.tools.reply import Reply, reply_to

KEPT_BATCHES = 100
"""Of each principal."""
KEPT_IN_ALL = 1000
"""Beyond that, those of whoever has most go."""
TRIMMED_AT_ONCE = 20
"""Batches beyond that number, or since they were looked for, before the oldest go: looking for them has a cost."""
KEPT_BYTES = 64 * 1024 * 1024
"""Data of batches that get_result can still fetch; the oldest batches of whoever has most go first."""


def new_batch_id() -> str:
    """A name that nobody can guess: whoever holds it may fetch the results."""
    return f"b_{os.urandom(10).hex()}"


@dataclass(frozen=True, slots=True)
class Span:
    """When one call ran, in seconds since its batch started; `start_s` is `None` where it was never sent."""

    id: str
    tool: str
    kind: str
    status: str
    start_s: float | None
    end_s: float


@dataclass(frozen=True, slots=True)
class BatchRun:
    """One answer about a batch. Where the batch was refused or only planned, nothing runs behind it."""

    batch_id: str
    answer: Reply
    driver: Driver | None = None

    @property
    def reply(self) -> dict[str, Any]:
        """The reply of the contract, as a JSON object."""
        return self.answer.body

    def spans(self) -> tuple[Span, ...]:
        """When each call that has ended ran, in the order of the request."""
        if self.driver is None:
            return ()
        began = self.driver.started_at
        return tuple(
            Span(
                step.call.id,
                step.call.tool if step.tool is None else step.tool.qualified,
                step.kind,
                outcome.status,
                None if outcome.started_at is None else outcome.started_at - began,
                outcome.ended_at - began,
            )
            for step, outcome in self.driver.plan.shown(self.driver.outcomes)
            if outcome is not None
        )


def data_size(driver: Driver) -> int:
    """Bytes, as JSON, of what the calls of a batch gave back."""
    results = (outcome.result for _, outcome in driver.plan.shown(driver.outcomes) if outcome is not None)
    return sum(size_of(result.data) + size_of(result.blocks) for result in results if isinstance(result, Answer))


def reply_of(driver: Driver, batch_id: str, now: float, limit: int) -> Reply:
    """The reply of a batch as it stands at `now`."""
    ended_at = now if driver.ended_at is None else driver.ended_at
    return reply_to(driver.plan, driver.outcomes, batch_id, ended_at - driver.started_at, limit)


class KeptBatches:
    """The latest batches of each principal by id, bounded in number and in bytes. Nobody sees another's."""

    def __init__(self) -> None:
        """Nothing kept yet."""
        self._of: dict[str, OrderedDict[str, Driver]] = {}
        """By principal; the oldest batch first."""
        self._sizes: dict[str, int] = {}
        self._count = 0
        self._total = 0
        self._unlooked: dict[str, int] = {}
        """How many of a principal's came after its oldest were last looked for."""
        self._unlooked_at_all = 0

    def keep(self, batch_id: str, driver: Driver, principal: str = "") -> None:
        """Keep a batch that is starting."""
        batches = self._of.setdefault(principal, OrderedDict())
        batches[batch_id] = driver
        self._count += 1
        self._unlooked[principal] = self._unlooked.get(principal, 0) + 1
        self._unlooked_at_all += 1
        if _are_too_many(len(batches), KEPT_BATCHES, self._unlooked[principal]):
            self._unlooked[principal] = 0
            self._trim(principal, len(batches) - KEPT_BATCHES)
        if _are_too_many(self._count, KEPT_IN_ALL, self._unlooked_at_all):
            self._unlooked_at_all = 0
            while self._count > KEPT_IN_ALL and self._trim(self._busiest(), TRIMMED_AT_ONCE):
                pass

    def weigh(self, batch_id: str, principal: str = "") -> None:
        """Count the results of a batch that has ended."""
        driver = self.find(batch_id, principal)
        if driver is not None and batch_id not in self._sizes:
            self._sizes[batch_id] = data_size(driver)
            self._total += self._sizes[batch_id]
            while self._total > KEPT_BYTES and self._trim(self._heaviest(), 1):
                pass

    def find(self, batch_id: str, principal: str = "") -> Driver | None:
        """The batch of that id, where it is the principal's and still kept."""
        batches = self._of.get(principal)
        return None if batches is None else batches.get(batch_id)

    def running(self) -> list[Driver]:
        """The batches that have not ended."""
        return [driver for batches in self._of.values() for driver in batches.values() if not driver.done]

    def _busiest(self) -> str:
        """The principal that has most batches."""
        return max(self._of, key=lambda one: len(self._of[one]))

    def _heaviest(self) -> str:
        """The principal whose results take most room: it pays for it, not those that came with little."""
        return max(self._of, key=lambda one: sum(self._sizes.get(batch_id, 0) for batch_id in self._of[one]))

    def _trim(self, principal: str, count: int) -> bool:
        """Let the oldest go of those of a principal that have ended, `count` at most; whether there was any."""
        batches = self._of[principal]
        gone = [batch_id for batch_id, driver in batches.items() if driver.done][:count]
        for batch_id in gone:
            del batches[batch_id]
            self._total -= self._sizes.pop(batch_id, 0)
        self._count -= len(gone)
        if not batches:
            del self._of[principal]
            self._unlooked.pop(principal, None)
        return bool(gone)


def _are_too_many(batches: int, limit: int, unlooked: int) -> bool:
    """Whether it is time to look for the oldest. Those under way stay: the more there are, the more seldom it is."""
    beyond = batches - limit
    return beyond >= TRIMMED_AT_ONCE and unlooked >= max(TRIMMED_AT_ONCE, beyond // 5)


def result_page(driver: Driver, batch_id: str, call_id: str, page: Page, limit: int) -> Reply | None:
    """A part of one call's data, or of one item's (`ID[3]`), in at most about `limit` bytes; `None` for no such.

    Images, audio and resources come with the first part of the whole.
    """
    found = _outcome_of(driver, call_id)
    if found is None:
        return None
    outcome = found[0]
    body: dict[str, Any] = {"batch_id": batch_id, "id": call_id, **_page_of(outcome, page, limit)}
    blocks: tuple[dict[str, Any], ...] = ()
    if outcome is not None and isinstance(outcome.result, Answer) and page.begins:
        blocks = outcome.result.blocks
    if blocks:
        body["content"] = list(range(1, len(blocks) + 1))
    return Reply(body, compact(body).decode(), blocks)


def _outcome_of(driver: Driver, call_id: str) -> tuple[Outcome | None] | None:
    """What became of a call or of an item so far, in a tuple; `None` for no such."""
    for step, outcome in zip(driver.plan.steps, driver.outcomes, strict=True):
        if step.call.id == call_id:
            return (outcome,)
        if outcome is not None and outcome.items is not None and call_id.startswith(f"{step.call.id}["):
            items = {f"{step.call.id}[{number}]": item for number, item in enumerate(outcome.items)}
            return (items[call_id],) if call_id in items else None
    return None


def _page_of(outcome: Outcome | None, page: Page, limit: int) -> dict[str, Any]:
    if outcome is None:
        return {"status": "pending"}
    if isinstance(outcome.result, Answer):
        return {"status": "ok", **page_of(outcome.result.data, page, limit)}
    return {"status": outcome.status, "error_code": outcome.result.code, "error": outcome.result.message}
