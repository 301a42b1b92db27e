"""The settings as the rest of headgate sees them: merged, with every unit converted and every default in place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headgate.proxy.journal.journal import ArgumentsKept
from headgate.proxy.target import EndpointsTarget, Target
from headgate.server.settings.serve import ServeSettings, TenantSettings
from headgate.tools.prefetch import PrefetchRule
from headgate.tools.rules import UpstreamRules

if TYPE_CHECKING:
    from headgate.tools.recipe import Recipe


@dataclass(frozen=True, slots=True)
class HeadgateSettings:
    """What holds for headgate as a whole."""

    parallel: bool | float = True
    """False runs every batch one by one; a number from 0 to 1 is the share of batches that run in parallel."""
    expose: Literal["all", "batch"] = "all"
    """Whether every upstream tool is listed too, or headgate's own only."""
    read_concurrency: int = 8
    max_calls: int = 256
    answer_within_s: float = 50.0
    reply_limit: int = 80_000
    """Bytes of a whole reply."""
    serialize: Literal["batch", "upstream", "resource"] = "batch"
    event_loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    confirm_writes: bool = False
    """Whether a person has to allow every write, whatever its tool says."""
    journal: Path | None = None
    """Where writes are recorded; `None` keeps the record in memory, for as long as headgate runs."""
    journal_arguments: ArgumentsKept = "hash"


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """One upstream: where it is and the rules for it and its tools."""

    name: str
    target: Target | EndpointsTarget
    rules: UpstreamRules


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole settings file, or what stands in for one."""

    headgate: HeadgateSettings
    upstreams: Mapping[str, UpstreamSettings]
    """By name, in the order of the file."""
    source: str | None = None
    """The file as the user named it; `None` where there is none."""
    notices: tuple[str, ...] = ()
    """What the file asks for and this version does not do yet: one line each, beginning with file and line."""
    prefetch: Mapping[str, PrefetchRule] = field(default_factory=dict[str, PrefetchRule])
    """What to read ahead, by the rules' names."""
    recipes: "Mapping[str, Recipe]" = field(default_factory=dict[str, "Recipe"])
    """By name, in the order of the file."""
    lock: Path | None = None
    """The lock file, in which tools' definitions are pinned; `None` where there is no settings file."""
    serve: ServeSettings = field(default_factory=ServeSettings)
    tenants: Mapping[str, TenantSettings] = field(default_factory=dict[str, TenantSettings])
    """By name, in the order of the file."""
