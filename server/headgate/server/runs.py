"""The batches of a gate: planned, run, kept for get_result, and noted once they have ended.

A gate loads this when it is first needed: no start has to wait for what plans and runs batches.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.proxy.client import Client
from headgate.proxy.driver import Driver
from headgate.proxy.upstreams import Upstreams
from headgate.server.approval import Approve, approved
from headgate.server.batches import BatchRun, KeptBatches, new_batch_id, reply_of, result_page
from headgate.server.books import Books
from headgate.server.callers import Caller
from headgate.server.recipes import Recipes
from headgate.server.settings import Settings
from headgate.server.switch import Switch
from headgate.tools.batch import Batch, parse_batch
from headgate.tools.dry_run import dry_run
from headgate.tools.outcome import Failure
from headgate.tools.page import Page
from headgate.tools.plan import Plan, make_plan, writes_in
from headgate.tools.refusal import Refusal
from headgate.tools.reply import Reply, refused
from headgate.tools.splice import splice

if TYPE_CHECKING:
    from headgate.server.gate import Gate

Progress = Callable[[int, int], None]
"""Told how many calls have ended, of how many."""


@dataclass(frozen=True, slots=True)
class Running:
    """A batch under way."""

    batch_id: str
    driver: Driver
    due_in_s: float
    """From its start, until its reply has to go out whatever is still under way."""


class Runs:
    """What a gate does with batches; see there."""

    def __init__(self, gate: "Gate", upstreams: Upstreams, tasks: asyncio.TaskGroup) -> None:
        """Batches run as tasks of `tasks`."""
        self._gate = gate
        self._upstreams = upstreams
        self._tasks = tasks
        self.recipes = Recipes(gate.settings.recipes)
        self.switch = Switch(gate.settings.headgate.parallel)
        self._kept = KeptBatches()
        self._books = Books(self._kept, self.switch)

    def become(self, settings: Settings) -> None:
        """Go by other settings from now on. A batch that has been planned goes on as planned."""
        self.switch.turn(settings.headgate.parallel)
        self.recipes = Recipes(settings.recipes)

    async def run(  # noqa: PLR0913 - as the gate's
        self,
        request: object,
        *,
        reads_only: bool,
        on_progress: Progress | None,
        approve: Approve | None,
        faults: Mapping[str, Failure] | None,
        to_the_end: bool,
        caller: Caller,
        client: Client | None,
    ) -> BatchRun:
        """Run a request, or a batch that is one already."""
        batch = self._batch_in(request)
        if isinstance(batch, Refusal):
            return self._not_run(batch)
        if not self._upstreams.all_known:
            await self._gate.know(self.recipes.tools_in(batch))
        plan = self._planned(batch, caller, reads_only=reads_only)
        if isinstance(plan, Refusal) or batch.dry_run:
            return self._not_run(plan)
        if faults:
            plan = plan.faulted(faults)
        if self._gate.confirms:
            plan = await approved(plan, approve, every_write=self._gate.settings.headgate.confirm_writes)
        running = self._start(plan, caller, client, on_progress)
        try:
            await running.driver.wait(None if to_the_end else running.due_in_s)
        except asyncio.CancelledError:
            running.driver.cancel()
            raise
        return self.answer(running)

    def begin(self, request: object, *, reads_only: bool, caller: Caller, client: Client) -> Running | None:
        """Start a request, if nothing has to be waited for first and it is one that can be run."""
        batch = self._batch_in(request)
        if isinstance(batch, Refusal) or batch.dry_run or self._gate.confirms or not self._upstreams.all_known:
            return None
        plan = self._planned(batch, caller, reads_only=reads_only)
        return None if isinstance(plan, Refusal) else self._start(plan, caller, client)

    def _start(self, plan: Plan, caller: Caller, client: Client | None, on_progress: Progress | None = None) -> Running:
        path, read_concurrency = caller.path(self._upstreams.call), self._gate.settings.headgate.read_concurrency
        driver = Driver(plan, self._upstreams.check_arguments, path, read_concurrency)
        driver.begin = caller.begin(self._upstreams.begin)
        driver.client = client
        if on_progress is not None:
            driver.on_progress = lambda: on_progress(driver.ended, len(plan.steps))
        driver.start(self._tasks)
        batch_id = new_batch_id()
        self._kept.keep(batch_id, driver, caller.principal)
        self._books.open(batch_id, driver, caller.principal)
        return Running(batch_id, driver, self._reply_due_in(plan.batch))

    def answer(self, running: Running) -> BatchRun:
        """What there is to say of a batch by now."""
        limit = self._gate.settings.headgate.reply_limit
        reply = reply_of(running.driver, running.batch_id, asyncio.get_running_loop().time(), limit)
        return BatchRun(running.batch_id, reply, running.driver)

    def result(self, batch_id: str, call_id: str | None, page: Page, caller: Caller) -> Reply | None:
        """The whole reply, or a part of one call's data; `None` for an unknown id."""
        driver = self._kept.find(batch_id, caller.principal)
        if driver is None:
            return None
        limit = self._gate.settings.headgate.reply_limit
        if call_id is None:
            return reply_of(driver, batch_id, asyncio.get_running_loop().time(), limit)
        return result_page(driver, batch_id, call_id, page, limit)

    def running(self) -> list[Driver]:
        """The batches that have not ended."""
        return self._kept.running()

    def close_books(self) -> None:
        """Log the batches that have ended since the last time."""
        self._books.close()
        if self.switch.parallel is not True:
            self.switch.tell(f"parallel was {str(self.switch.parallel).lower()}")

    def _not_run(self, plan: Plan | Refusal) -> BatchRun:
        batch_id = new_batch_id()
        if isinstance(plan, Refusal):
            return BatchRun(batch_id, refused(plan, batch_id))
        return BatchRun(batch_id, dry_run(plan, batch_id, self._upstreams.typical_s))

    def _batch_in(self, request: object) -> Batch | Refusal:
        settings = self._gate.settings.headgate
        return request if isinstance(request, Batch | Refusal) else parse_batch(request, max_calls=settings.max_calls)

    def _planned(self, batch: Batch, caller: Caller, *, reads_only: bool) -> Plan | Refusal:
        settings = self._gate.settings.headgate
        check, recipes = self._upstreams.check_arguments, self.recipes.of(caller)
        catalogue = self._gate.catalogue(caller)
        plan = make_plan(
            splice(batch, recipes, catalogue, check, max_calls=settings.max_calls) if recipes else batch,
            catalogue,
            check,
            serialize=settings.serialize,
            one_by_one=not self.switch.draw(),
        )
        if isinstance(plan, Plan) and reads_only:
            return writes_in(plan) or plan
        return plan

    def _reply_due_in(self, batch: Batch) -> float:
        """Seconds until the reply has to go out.

        At the batch's own timeout everything has ended but the writes in flight, whose outcome comes later.
        """
        within = self._gate.settings.headgate.answer_within_s
        return within if batch.timeout_s is None else min(within, batch.timeout_s)
