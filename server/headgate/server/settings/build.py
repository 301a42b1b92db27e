"""Checked tables made into settings, and the rest of the checks: those that look at more than one key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.proxy.target import EndpointsTarget
from headgate.server.settings import values
from headgate.server.settings.forward import check_forward
from headgate.server.settings.journal import journal_place
from headgate.server.settings.lines import KeyPath
from headgate.server.settings.merge import check_burst, check_bursts, upstream_rules
from headgate.server.settings.prefetch import prefetch_rules
from headgate.server.settings.problems import Findings
from headgate.server.settings.schema import ENDPOINT_KEYS, File, Headgate, Tool, Upstream
from headgate.server.settings.schema import Recipe as RecipeTable
from headgate.server.settings.serve import serve_settings, tenant_settings
from headgate.server.settings.settings import HeadgateSettings, Settings, UpstreamSettings
from headgate.server.settings.target import TargetReader

if TYPE_CHECKING:
    from headgate.tools.recipe import Recipe

_UPSTREAM_NAME = re.compile(r"(?!.*__)[A-Za-z0-9_-]{1,24}")
_ON = frozenset({"1", "true", "yes", "on"})
_OFF = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Builder:
    """Makes the settings of one file."""

    file: File
    environ: Mapping[str, str]
    base: Path | None
    findings: Findings

    def build(self) -> Settings:
        """The settings; raises SettingsError with all that was found wrong, here and before."""
        headgate = headgate_settings(self.file.headgate, self.environ, self.findings, self.base)
        check_burst(("defaults",), self.file.defaults, self.findings)
        upstreams = {name: self._upstream(name, upstream) for name, upstream in self.file.upstreams.items()}
        recipes = {name: self._recipe(name, recipe, headgate) for name, recipe in self.file.recipes.items()}
        prefetch = prefetch_rules(self.file.prefetch, self.findings)
        serve = serve_settings(self.file.serve, self.findings)
        tenants = tenant_settings(self.file.tenants, self.file.serve, self.findings)
        self.findings.settle()
        return Settings(
            headgate,
            {name: upstream for name, upstream in upstreams.items() if upstream is not None},
            self.findings.source,
            self.findings.notices(),
            prefetch,
            {name: recipe for name, recipe in recipes.items() if recipe is not None},
            serve=serve,
            tenants=tenants,
        )

    def _recipe(self, name: str, recipe: RecipeTable, headgate: HeadgateSettings) -> "Recipe | None":
        from headgate.server.settings.recipes import RecipeReader  # noqa: PLC0415 - only where there are recipes

        return RecipeReader(("recipes", name), recipe, self.file.recipes, headgate.max_calls, self.findings).read()

    def _upstream(self, name: str, upstream: Upstream) -> UpstreamSettings | None:
        path: KeyPath = ("upstreams", name)
        if not _UPSTREAM_NAME.fullmatch(name):
            self.findings.problem(
                path,
                "an upstream's name is 1 to 24 letters, digits, hyphens and underscores, no two underscores in a row",
            )
        target = TargetReader(path, upstream, self.environ, self.base, self.findings).read()
        check_bursts(path, upstream, self.file.defaults, self.findings)
        for tool_name, tool in upstream.tools.items():
            self._tool((*path, "tools", tool_name), tool)
            check_forward((*path, "tools", tool_name), tool.idempotency, upstream, self.findings)
        if isinstance(target, EndpointsTarget):
            from headgate.server.settings.endpoints import read_endpoints  # noqa: PLC0415 - only where there are any

            target = replace(target, endpoints=read_endpoints((*path, "tools"), upstream, self.findings))
        return None if target is None else UpstreamSettings(name, target, upstream_rules(upstream, self.file.defaults))

    def _tool(self, path: KeyPath, tool: Tool) -> None:
        upstream = self.file.upstreams[str(path[1])]
        if upstream.http is not None or self.findings.blames((*path[:2], "http")):
            return
        for key in ENDPOINT_KEYS:
            if key in tool.model_fields_set:
                self.findings.problem((*path, key), "this is for the tools of an upstream with http; take it out")


def headgate_settings(
    table: Headgate, environ: Mapping[str, str], findings: Findings, base: Path | None = None
) -> HeadgateSettings:
    """`[headgate]` with its defaults, and HEADGATE_PARALLEL over it. Relative paths are seen from `base`."""
    plain = HeadgateSettings()
    if table.parallel is not None and environ.get("HEADGATE_PARALLEL", "").strip():
        findings.notice(("headgate", "parallel"), "is without effect: HEADGATE_PARALLEL, or an option, is set")
    return HeadgateSettings(
        parallel=_parallel(plain.parallel if table.parallel is None else table.parallel, environ, findings),
        expose=table.expose or plain.expose,
        read_concurrency=table.read_concurrency or plain.read_concurrency,
        max_calls=table.max_calls or plain.max_calls,
        answer_within_s=table.answer_within or plain.answer_within_s,
        reply_limit=table.reply_limit or plain.reply_limit,
        serialize=table.serialize or plain.serialize,
        event_loop=table.event_loop or plain.event_loop,
        confirm_writes=table.confirm_writes or plain.confirm_writes,
        journal=journal_place(table.journal, base, findings),
        journal_arguments=table.journal_arguments or plain.journal_arguments,
    )


def _parallel(configured: bool | float, environ: Mapping[str, str], findings: Findings) -> bool | float:  # noqa: FBT001
    word = environ.get("HEADGATE_PARALLEL", "").strip().lower()
    if not word:
        return configured
    if word in _ON | _OFF:
        return word in _ON
    try:
        return values.parallel(float(word))
    except ValueError:
        wrong = "write 1 (parallel), 0 (one by one), or the share of batches to run in parallel, such as 0.1"
        findings.outside("HEADGATE_PARALLEL", wrong)
        return configured
