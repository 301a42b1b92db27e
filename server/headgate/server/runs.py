"""The batches of a gate: planned, run, kept for get_result, and noted once they have ended.

A gate loads this when it is first needed: no start has to wait for what plans and runs batches.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

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
from headgate.tools.reply import refused
from headgate.tools.splice import splice

if TYPE_CHECKING:
    from headgate.server.gate import Gate

Progress = Callable[[int, int], None]
"""Told how many calls have ended, of how many."""


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
        settings = self._gate.settings.headgate
        plan = await self._planned(request, caller, reads_only=reads_only)
        if isinstance(plan, Refusal) or plan.batch.dry_run:
            return self._not_run(plan)
        if faults:
            plan = plan.faulted(faults)
        if self._gate.confirms:
            plan = await approved(plan, approve, every_write=settings.confirm_writes)
        path = caller.path(self._upstreams.call)
        driver = Driver(plan, self._upstreams.check_arguments, path, settings.read_concurrency)
        driver.begin = caller.begin(self._upstreams.begin)
        driver.client = client
        if on_progress is not None:
            driver.on_progress = lambda: on_progress(driver.ended, len(plan.steps))
        batch_id = new_batch_id()
        driver.start(self._tasks)
        self._kept.keep(batch_id, driver, caller.principal)
        self._books.open(batch_id, driver, caller.principal)
        try:
            await driver.wait(None if to_the_end else self._reply_due_in(plan.batch))
        except asyncio.CancelledError:
            driver.cancel()
            self._books.open(batch_id, driver, caller.principal)
            raise
        now = asyncio.get_running_loop().time()
        return BatchRun(batch_id, reply_of(driver, batch_id, now, self._gate.settings.headgate.reply_limit), driver)

    def result(self, batch_id: str, call_id: str | None, page: Page, caller: Caller) -> dict[str, Any] | None:
        """The whole reply, or a part of one call's data; `None` for an unknown id."""
        driver = self._kept.find(batch_id, caller.principal)
        if driver is None:
            return None
        limit = self._gate.settings.headgate.reply_limit
        if call_id is None:
            return reply_of(driver, batch_id, asyncio.get_running_loop().time(), limit).body
        found = result_page(driver, call_id, page, limit)
        return None if found is None else {"batch_id": batch_id, **found}

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

    async def _planned(self, request: object, caller: Caller, *, reads_only: bool) -> Plan | Refusal:
        settings = self._gate.settings.headgate
        batch = request if isinstance(request, Batch) else parse_batch(request, max_calls=settings.max_calls)
        if isinstance(batch, Refusal):
            return batch
        if not self._upstreams.all_known:
            await self._gate.know(self.recipes.tools_in(batch))
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
