"""`[prefetch.NAME]`: the rules, and what only a look at a whole rule finds wrong with it."""

from collections.abc import Mapping

from headgate.server.settings.lines import KeyPath
from headgate.server.settings.problems import Findings
from headgate.server.settings.schema import Prefetch, PrefetchCall
from headgate.tools import prefetch
from headgate.tools.prefetch import PrefetchRule, faults_in

_WITHIN_S = 10.0


def prefetch_rules(tables: Mapping[str, Prefetch], findings: Findings) -> dict[str, PrefetchRule]:
    """The rules by name. What is wrong with one goes to `findings`, and the rule is then not to be used."""
    return {name: _rule(("prefetch", name), table, findings) for name, table in tables.items()}


def _rule(path: KeyPath, table: Prefetch, findings: Findings) -> PrefetchRule:
    if not table.when and not findings.blames_in((*path, "when")):
        findings.problem((*path, "when"), 'name the tool whose calls these reads follow, such as "orders__get_order"')
    if not table.calls and not findings.blames_in((*path, "calls")):
        wrong = 'list what is read ahead: [{ tool = "orders__get_shipment", arguments = { … } }]'
        findings.problem((*path, "calls"), wrong)
    calls = [_call((*path, "calls", place), call, findings) for place, call in enumerate(table.calls or ())]
    return PrefetchRule(table.when or "", tuple(calls), table.within or _WITHIN_S)


def _call(path: KeyPath, table: PrefetchCall, findings: Findings) -> prefetch.PrefetchCall:
    if not table.tool:
        findings.problem((*path, "tool"), "name the tool to call ahead")
    arguments = table.arguments or {}
    for place, fault in faults_in(arguments):
        findings.problem((*path, "arguments", *place), fault)
    return prefetch.PrefetchCall(table.tool or "", arguments)
