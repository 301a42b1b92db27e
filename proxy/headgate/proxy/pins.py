"""What the upstreams' tools were when they were first seen or last accepted. Where that is kept is somebody else's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.tools.rules import Pinning, UpstreamRules
from headgate.tools.trust import Concern, Pin, changed, not_accepted, not_known, too_many, unfit

MAX_PINNED = 10_000
"""Tools of one upstream that are pinned, those that it does not list any more too."""

AllPins = Mapping[str, Mapping[str, Pin]]
"""By upstream and tool."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One tool that an upstream lists, looked at."""

    name: str
    definition: Mapping[str, Any]
    """As listed."""
    pin: Pin | None
    """What would be pinned; `None` for a definition that is not fit for use."""
    harm: str | None = None
    """Why it is not."""


class Pins:
    """The pins by upstream and tool. A tool that is seen for the first time is pinned as it is, unless it must not."""

    def __init__(self, lock: str | None = None) -> None:
        """Know of none yet. `lock` is the name of the file that they are kept in, if they are."""
        self._lock = lock
        self._pins: dict[str, dict[str, Pin]] = {}
        self._unreadable = False
        self._fresh: dict[str, dict[str, Pin]] = {}
        self.added: Callable[[], None] = lambda: None
        """Called when there are pins that nobody has kept yet."""
        self.replaced: Callable[[], None] = lambda: None
        """Called when the pins have become others, by somebody else's doing."""

    def load(self, pins: AllPins | None) -> None:
        """Go by `pins` from now on; by none at all, and trust nothing, where they cannot be read (`None`)."""
        others = {upstream: dict(tools) for upstream, tools in (pins or {}).items()}
        for upstream, tools in self._fresh.items():
            others[upstream] = {**tools, **others.get(upstream, {})}
        same = self._unreadable == (pins is None) and _hashes(others) == _hashes(self._pins)
        self._unreadable, self._pins = pins is None, others
        if not same:
            self.replaced()

    def restore(self) -> None:
        """Have what is known kept once more; where nothing is, go by what is seen from now on."""
        if self._unreadable:
            self.load({})
            return
        self._fresh = {upstream: dict(tools) for upstream, tools in self._pins.items()}
        self.added()

    def fresh(self) -> AllPins:
        """The pins that nobody has kept yet."""
        return {upstream: dict(tools) for upstream, tools in self._fresh.items()}

    def kept(self, pins: AllPins) -> None:
        """Know that `pins` are kept."""
        for upstream, tools in pins.items():
            for name in tools:
                self._fresh.get(upstream, {}).pop(name, None)
        self._fresh = {upstream: tools for upstream, tools in self._fresh.items() if tools}

    def concerns(self, upstream: str, tools: Sequence[Examined], rules: UpstreamRules) -> Mapping[str, Concern]:
        """What speaks against what an upstream lists, by the tools' names. What is new is pinned in passing."""
        found: dict[str, Concern] = {}
        for tool in tools:
            concern = self._concern(upstream, tool, rules.of(tool.name).pin)
            if concern is not None:
                found[tool.name] = concern
        return found

    def _concern(self, upstream: str, tool: Examined, pinning: Pinning) -> Concern | None:
        if tool.harm is not None:
            return unfit(tool.harm)
        if pinning == "off" or tool.pin is None:
            return None
        if self._unreadable and self._lock is not None:
            return not_known(pinning, self._lock)
        pinned = self._pins.get(upstream, {}).get(tool.name)
        if pinned is not None:
            return None if pinned.sha256 == tool.pin.sha256 else changed(pinning, self._lock)
        if pinning == "strict" and self._lock is not None:
            return not_accepted(self._lock)
        if len(self._pins.get(upstream, ())) >= MAX_PINNED:
            return too_many(pinning, MAX_PINNED)
        self._pins.setdefault(upstream, {})[tool.name] = tool.pin
        self._fresh.setdefault(upstream, {})[tool.name] = tool.pin
        self.added()
        return None


def _hashes(pins: AllPins) -> dict[tuple[str, str], str]:
    return {(upstream, name): pin.sha256 for upstream, tools in pins.items() for name, pin in tools.items()}
