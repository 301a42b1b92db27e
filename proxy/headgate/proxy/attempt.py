"""One call on its way, as every wrapper of that way sees it."""

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headgate.proxy.capacity import Capacity
from headgate.proxy.journal.journal import Intent
from headgate.tools.catalogue import Tool
from headgate.tools.scope import Scope

if TYPE_CHECKING:
    from headgate.proxy.client import Client, Clock
    from headgate.proxy.direct import Direct
    from headgate.proxy.flights import Flight
    from headgate.proxy.pace import Token


@dataclass(slots=True)
class Ahead:
    """Of a call that is made before anybody has asked for it: how long its answer is kept, and whom to tell its use."""

    within_s: float
    tell: Callable[["Ahead"], None]
    """Told when it sets out, and again when it is known whether it is of use."""
    used: bool | None = None
    """Whether its answer has been of use to anybody; `None` until that is known."""

    def begin(self) -> None:
        """Say that it sets out."""
        self.tell(self)

    def end(self, *, used: bool) -> None:
        """Say whether it was of use; what is said later changes nothing."""
        if self.used is None:
            self.used = used
            self.tell(self)


@dataclass(slots=True)
class Attempt:
    """One call on its way."""

    tool: Tool
    arguments: Mapping[str, Any]
    timeout_s: float
    batch: tuple[Capacity, ...] = ()
    """Caps of the batch that it belongs to."""
    asked_at: float = 0.0
    started_at: float | None = None
    """When its clock started, on the event loop's time; `None` while it waits for its turn or a permit."""
    sent: bool = False
    """Whether the upstream may have seen any of it."""
    tried: bool = False
    """Whether the upstream may have seen an attempt of it that came to nothing."""
    line: tuple[Capacity, ...] = ()
    """The caps that it waits at, until all of them have room."""
    follows: "Flight | None" = None
    """What it waits for where an identical call was on its way already."""
    withdrawn: bool = False
    """Whether it must not go out any more, for whoever asked for it has been told that it never did."""
    principal: str = ""
    """On whose behalf it is made: the calls of different principals have nothing in common."""
    coalesced: bool = False
    """Whether it is answered by an identical call that was on its way already."""
    key: str | None = None
    """Of a write, the idempotency key: under the same one it is made once."""
    meta: Mapping[str, Any] | None = None
    """What goes with it as `_meta`, and as `headers` of the HTTP request, where its tool takes the key there."""
    headers: Mapping[str, str] | None = None
    intent: Intent | None = None
    """Of a write, what is written down of it before it goes out, and its number in the journal from then on."""
    write: int | None = None
    turn: Scope | None = None
    """Of a write, what it has its turn for."""
    in_doubt: bool = False
    """Whether it has gone out before, and nobody knows what became of that."""
    replayed: bool = False
    """Whether it is answered by what became of an earlier write under the same key."""
    ahead: Ahead | None = None
    """Set where nobody has asked for it yet."""
    attempts: int = 1
    """How often it has gone out, the time under way included."""
    held: tuple[Capacity, ...] = ()
    """The permits that it holds."""
    tokens: "tuple[Token, ...]" = ()
    """Those that it goes out with."""
    deadline: float | None = None
    """When its batch ends, on the event loop's time: by then it must have gone out."""
    asker: Hashable = None
    """Who asks for it: the calls of one asker take turns with those of others. A call without one is on its own."""
    client: "Client | None" = None
    """Whom the upstream may ask and tell something while it is under way; `None` where there is nobody."""
    input: Mapping[str, Any] | None = None
    """What goes with it where the upstream had asked for input before: the answers, and the state that it gave."""
    clock: "Clock | None" = None
    """What ends it, once it is on its way."""
    first: "Direct | None" = None
    """What came of its first attempt, where that went out at once and has to be gone on with."""

    @property
    def queued_s(self) -> float:
        """Seconds that it waited before it went out."""
        return 0.0 if self.started_at is None else self.started_at - self.asked_at


CallPath = Callable[[Attempt], Awaitable[Mapping[str, Any]]]
"""Gives a `tools/call` result, or raises CallFailedError."""
