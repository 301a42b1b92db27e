"""Tools whose definitions wait for somebody to accept them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from headgate.proxy.pins import AllPins
from headgate.server.settings import Settings
from headgate.tools.catalogue import Tool
from headgate.tools.classify import classify
from headgate.tools.names import SEPARATOR
from headgate.tools.trust import Pin, harm_of, pin_of


@dataclass(frozen=True, slots=True)
class Waiting:
    """A definition that is not the pinned one, or that has none."""

    tool: Tool
    before: Pin | None
    """The pinned one."""
    after: Pin
    """What would be pinned."""

    def is_called(self, name: str) -> bool:
        """Whether `name` is the tool's, by any of its full names, or its upstream's."""
        tool = self.tool
        full = (f"{tool.upstream}{separator}{tool.name}" for separator in (SEPARATOR, "."))
        return name in (tool.upstream, tool.qualified, *full)


def waiting_in(tools: Iterable[Tool], settings: Settings, pins: AllPins, *, every: bool = False) -> list[Waiting]:
    """The tools whose definitions wait, in the order of the catalogue; with `every`, those that never were pinned too.

    Where tools are pinned when they are first seen, none waits because it is new.
    """
    found: list[Waiting] = []
    for tool in tools:
        upstream = settings.upstreams.get(tool.upstream)
        if upstream is None or tool.rules.pin == "off" or (tool.rules.check_arguments and harm_of(tool.definition)):
            continue
        kind, _ = classify(tool.definition, tool.rules, trusted=upstream.rules.trust_annotations)
        after = pin_of(tool.definition, kind)
        before = pins.get(tool.upstream, {}).get(tool.name)
        if before is None:
            if every or tool.rules.pin == "strict":
                found.append(Waiting(tool, before, after))
        elif before.sha256 != after.sha256:
            found.append(Waiting(tool, before, after))
    return found


def unknown_in(names: Iterable[str], waiting: Sequence[Waiting], tools: Sequence[Tool]) -> str | None:
    """What is wrong with the first of `names` that stands for nothing that waits; `None` if each does."""
    for name in names:
        if any(each.is_called(name) for each in waiting):
            continue
        known = {tool.upstream for tool in tools} | {tool.qualified for tool in tools}
        if name in known or any(f"{tool.upstream}.{tool.name}" == name for tool in tools):
            return f"nothing in {name} waits to be accepted"
        near = get_close_matches(name, known, n=1)
        return f'there is no upstream and no tool "{name}"{f"; did you mean {near[0]}?" if near else ""}'
    return None
