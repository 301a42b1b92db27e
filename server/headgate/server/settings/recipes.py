"""Recipes read from their tables, with all that can be found wrong in them without knowing any upstream.

What a batch may not be, a recipe may not be either: its calls are put through the same checks as a model's, with a
list in the place of each param, which can be neither a reference's id or path nor the text of a `$format`.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from headgate.server.settings.lines import KeyPath
from headgate.server.settings.params import faults_of
from headgate.server.settings.problems import Findings
from headgate.server.settings.schema import Recipe as Table
from headgate.server.settings.slots import SlotReader
from headgate.server.settings.values import printable
from headgate.tools.batch import OWN_TOOLS, Batch, Call, parse_batch
from headgate.tools.catalogue import Catalogue
from headgate.tools.names import MAX_NAME, SEPARATOR
from headgate.tools.plan import make_plan
from headgate.tools.recipe import Recipe, expand
from headgate.tools.refusal import Problem, Refusal

_NAME = re.compile(rf"(?!.*{SEPARATOR})[A-Za-z0-9_-]{{1,{MAX_NAME}}}")
_PARAM_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


@dataclass(frozen=True, slots=True)
class RecipeReader:
    """Reads the recipe at `path`; `names` are those of all recipes."""

    path: KeyPath
    table: Table
    names: Collection[str]
    max_calls: int
    findings: Findings

    def read(self) -> Recipe | None:
        """The recipe, or None where something is wrong with it."""
        name = str(self.path[-1])
        self._check_name(name)
        params = self.table.params or {}
        for param, schema in params.items():
            self._check_param(param, schema)
        if self.findings.blames_in((*self.path, "calls")):
            return None
        calls = self._calls()
        if self.findings.blames_in(self.path):
            return None
        tools = ", ".join(dict.fromkeys(call.tool for call in calls))
        return Recipe(name, self.table.description or f"Runs {tools} in one batch", params, calls)

    def _check_name(self, name: str) -> None:
        if name in OWN_TOOLS:
            self.findings.problem(self.path, "a tool of headgate's own has this name; choose another")
        elif not _NAME.fullmatch(name):
            wrong = f"a recipe's name is 1 to {MAX_NAME} letters, digits, hyphens and underscores"
            self.findings.problem(self.path, f"{wrong}, no two underscores in a row")

    def _check_param(self, name: str, schema: object) -> None:
        path = (*self.path, "params", name)
        if not _PARAM_NAME.fullmatch(name):
            self.findings.problem(path, "a param's name is 1 to 64 letters, digits, dots, hyphens and underscores")
        for place, wrong in faults_of(name, schema):
            self.findings.problem((*path, *place), wrong)

    def _calls(self) -> tuple[Call, ...]:
        """The calls as a batch would have them; empty where they could not be one."""
        path = (*self.path, "calls")
        if not self.table.calls:
            self.findings.problem(path, "a recipe needs calls: list one at least")
            return ()
        known = not self.findings.blames((*self.path, "params"))
        reader = SlotReader(self.table.params or {} if known else None, self.findings)
        calls = [reader.call((*path, place), call) for place, call in enumerate(self.table.calls)]
        self._check_use(reader.used)
        batch = parse_batch({"calls": calls}, max_calls=self.max_calls)
        if isinstance(batch, Refusal):
            self._tell(batch.problems)
            return ()
        self._tell(_problems_of(batch, reader.used))
        for place, call in enumerate(batch.calls):
            if call.idempotency_key is not None:
                wrong = (
                    "a key written here would let this write be made once a day: give one where the recipe is called"
                )
                self.findings.problem((*path, place, "idempotency_key"), wrong)
            if call.tool in self.names:
                self.findings.problem((*path, place, "tool"), "this is a recipe, and a recipe cannot be part of one")
        return batch.calls

    def _check_use(self, used: Collection[str]) -> None:
        for name in self.table.params or {}:
            if name not in used:
                self.findings.problem((*self.path, "params", name), "no call uses this param; take it out")

    def _tell(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            steps = [int(number) if number else key for number, key in _STEP.findall(problem.where)]
            path = (*self.path, *steps)
            if not self.findings.blames(path):
                self.findings.problem(path, printable(problem.message))


def _problems_of(batch: Batch, params: Iterable[str]) -> tuple[Problem, ...]:
    """What is wrong with the calls as a batch, whatever their tools are."""
    recipe = Recipe("", "", {}, batch.calls)
    filled = replace(batch, calls=expand(recipe, {name: [] for name in params}))
    plan = make_plan(filled, Catalogue(), lambda _tool, _arguments: None)
    return plan.problems if isinstance(plan, Refusal) else ()
