"""The clients of the handshake era that are connected. In the newer era there is nothing but single requests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

Context = ServerRequestContext[Any, Any]

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Of log messages, the least urgent first."""


@dataclass(slots=True, eq=False)
class Seat:
    """One connected client."""

    session: ServerSession
    """The SDK makes one for each request; that of the latest reaches the same client."""
    level: str | None = None
    """The least urgent log messages that it wants; `None` where it has not said."""
    capabilities: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What it can do, as it said when it was `known` by that."""
    known: object = None
    uris: set[str] = field(default_factory=set[str])
    """The resources that it has subscribed to."""


def is_wanted(level: object, least: str | None) -> bool:
    """Whether a log message of `level` is one for a client that wants those from `least` on, or all."""
    if least not in LEVELS or level not in LEVELS:
        return True
    return LEVELS.index(level) >= LEVELS.index(least)


class Seats:
    """Who is connected."""

    def __init__(self, left: Callable[[Seat], None]) -> None:
        """`left` is told of each client that has gone."""
        self._left = left
        self._taken: dict[int, Seat] = {}

    def of(self, ctx: Context) -> Seat | None:
        """The seat of the client that a request came from; `None` in the newer era."""
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return None
        connection: Connection = ctx.session._connection  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the context gives no other way to it
        seat = self._taken.get(id(connection))
        if seat is None:
            seat = self._taken[id(connection)] = Seat(ctx.session)
            connection.exit_stack.callback(self._leave, id(connection))
        seat.session = ctx.session
        return seat

    def taken(self) -> list[Seat]:
        """All of them."""
        return [*self._taken.values()]

    def _leave(self, identity: int) -> None:
        seat = self._taken.pop(identity, None)
        if seat is not None:
            self._left(seat)
