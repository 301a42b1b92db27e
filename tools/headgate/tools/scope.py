"""What a call touches, and how calls that touch the same thing keep their order.

A scope is an upstream, or one named resource of it. Two calls conflict where one is a write and their scopes
meet: the same upstream, unless both name a resource and the resources differ.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.tools.catalogue import Tool

_SLOT = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Scope:
    """An upstream (`resource` is `None`) or one resource of it."""

    upstream: str
    resource: str | None = None

    def meets(self, other: "Scope") -> bool:
        """Whether the two have something in common."""
        if self.upstream != other.upstream:
            return False
        return self.resource is None or other.resource is None or self.resource == other.resource


def scope_of(tool: Tool, arguments: Mapping[str, Any]) -> Scope:
    """The scope of a call. A resource whose slot is missing, or a reference still to be filled, widens it."""
    template = tool.rules.resource
    if template is None:
        return Scope(tool.upstream)
    values = {name: arguments.get(name) for name in _SLOT.findall(template)}
    if not all(isinstance(value, str | int) for value in values.values()):
        return Scope(tool.upstream)
    return Scope(tool.upstream, _SLOT.sub(lambda match: str(values[match[1]]), template))


@dataclass(slots=True)
class _Since:
    """The calls on one upstream, or one resource, that a later call may have to wait for."""

    write: int | None = None
    reads: list[int] = field(default_factory=list[int])


@dataclass(slots=True)
class Barriers:
    """Read/write barriers of calls taken in order; linear in their number where writes form one chain.

    `chained` says that every write of an upstream already waits for the one before it, so that waiting for the
    latest is waiting for all.
    """

    chained: bool
    _whole: dict[str, _Since] = field(default_factory=dict[str, _Since])
    _parts: dict[str, dict[str, _Since]] = field(default_factory=dict[str, dict[str, _Since]])
    _turns: dict[int, int] = field(default_factory=dict[int, int])
    """The place of each write in the order; its number is its place in the request, which may be another."""

    def read(self, index: int, scope: Scope) -> list[int]:
        """The earlier writes that the read at `index` waits for."""
        whole, parts = self._of(scope.upstream)
        if scope.resource is None:
            met = [whole, *parts.values()] if parts else [whole]
            whole.reads.append(index)
        else:
            part = parts.setdefault(scope.resource, _Since())
            met = [whole, part]
            part.reads.append(index)
        return self._latest([since.write for since in met if since.write is not None])

    def write(self, index: int, scope: Scope) -> list[int]:
        """The earlier reads and writes that the write at `index` waits for."""
        whole, parts = self._of(scope.upstream)
        part = whole if scope.resource is None else parts.setdefault(scope.resource, _Since())
        met = [whole, *parts.values()] if scope.resource is None else [whole, part]
        reads = [read for since in met for read in since.reads]
        writes = [since.write for since in met if since.write is not None]
        if scope.resource is None:
            parts.clear()
        if scope.resource is None or self.chained:
            whole.reads.clear()
        part.reads.clear()
        part.write = index
        self._turns[index] = len(self._turns)
        return [*reads, *self._latest(writes)]

    def _of(self, upstream: str) -> tuple[_Since, dict[str, _Since]]:
        whole = self._whole.get(upstream)
        if whole is None:
            whole = self._whole[upstream] = _Since()
        return whole, self._parts.setdefault(upstream, {})

    def _latest(self, writes: list[int]) -> list[int]:
        return [max(writes, key=self._turns.__getitem__)] if self.chained and writes else writes
