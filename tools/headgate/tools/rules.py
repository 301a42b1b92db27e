"""What an operator said of tools and upstreams, already merged: defaults < upstream < tool."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

ToolClass = Literal["read", "write"]
Pinning = Literal["flag", "strict", "off"]
"""Whether a tool whose definition changes becomes a write, is out of use, or is not looked at."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` calls in any `period_s` seconds on average, of which `burst` may go at once."""

    count: int
    period_s: float
    burst: int


@dataclass(frozen=True, slots=True)
class Forward:
    """Where an upstream's tool takes an idempotency key, so that it keeps from running twice by itself."""

    into: Literal["header", "argument", "meta"]
    name: str


@dataclass(frozen=True, slots=True)
class ToolRules:
    """One tool's rules. `None` means that the operator said nothing."""

    kind: ToolClass | None = None
    timeout_s: float = 30.0
    retries: int = 2
    rate: Rate | None = None
    concurrency: int | None = None
    result_limit: int | None = None
    """Bytes of this tool's data that a reply may carry."""
    resource: str | None = None
    """A name for what a call touches, with `{argument}` slots, such as `order:{order_id}`."""
    idempotent: bool = False
    confirm: bool = False
    """Whether a person has to allow each write of it."""
    pin: Pinning = "flag"
    check_arguments: bool = True
    """Whether arguments are held against the tool's schema before a call goes out."""
    forward: Forward | None = None
    """Where its upstream takes idempotency keys."""

    @property
    def repeatable(self) -> bool:
        """Whether a write may be sent again, with the same key, when nobody knows whether it has been applied."""
        return self.idempotent or self.forward is not None


@dataclass(frozen=True, slots=True)
class UpstreamRules:
    """One upstream's rules, and those of its tools by the upstream's own tool names."""

    trust_annotations: bool = True
    prefix: bool = True
    """Whether its tools and prompts are offered under its own name and theirs, and not under theirs alone."""
    concurrency: int = 16
    queue: int = 20_000
    """Calls that may wait for it; one batch takes no more room than it leaves."""
    rate: Rate | None = None
    include: tuple[str, ...] = ()
    """Globs; empty means every tool."""
    exclude: tuple[str, ...] = ()
    replicas: int = 1
    """How many processes of it there are, for an upstream that can only do one call at a time."""
    answer_limit: int = 8_000_000
    """Bytes of one answer that are taken in; a larger one fails its call."""
    every_tool: ToolRules = field(default_factory=ToolRules)
    """The rules of a tool that has none of its own."""
    tools: Mapping[str, ToolRules] = field(default_factory=dict[str, ToolRules])

    @property
    def confirms(self) -> bool:
        """Whether a person has to be asked about a write of any of its tools."""
        return any(tool.confirm for tool in (self.every_tool, *self.tools.values()))

    def of(self, tool: str) -> ToolRules:
        """Rules of the tool that the upstream calls `tool`."""
        return self.tools.get(tool, self.every_tool)

    def admits(self, tool: str) -> bool:
        """Whether `tool` is listed and callable under `include` and `exclude`."""
        if self.include and not any(fnmatchcase(tool, glob) for glob in self.include):
            return False
        return not any(fnmatchcase(tool, glob) for glob in self.exclude)
