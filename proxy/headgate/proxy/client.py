"""Whoever a request is made for: what its upstream may ask of them and tell them while it is under way."""

import asyncio
from collections.abc import Hashable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Protocol


class Client(Protocol):
    """The client's side of one request."""

    @property
    def who(self) -> Hashable:
        """The client that the request came from: equal for requests of the same one."""
        ...

    @property
    def capabilities(self) -> Mapping[str, Any]:
        """What may be asked of it: MCP's client capabilities, by their names on the wire."""
        ...

    @property
    def meta(self) -> Mapping[str, Any]:
        """What the request carried as `_meta` and is for the upstream to see."""
        ...

    @property
    def wants_progress(self) -> bool:
        """Whether to tell it of progress."""
        ...

    @property
    def takes_rounds(self) -> bool:
        """Whether an answer that asks for input goes to the client as it is, which then makes the call again."""
        ...

    async def ask(self, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Have the client answer a request of the upstream's.

        Raises:
            MCPError: It cannot or will not.

        """
        ...

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Pass a notification of the upstream's on, without waiting. One that this client is not to have is dropped."""
        ...


CLIENT: ContextVar[Client | None] = ContextVar("CLIENT", default=None)
"""Of the request whose own stream is being read, where it has one."""


class Clock(Protocol):
    """What ends a call."""

    def when(self) -> float | None:
        """When, on the event loop's time; `None` for not at all."""
        ...

    def reschedule(self, when: float | None) -> None:
        """End it at another time, or not at all; RuntimeError if it has ended already."""
        ...


class Clocked(Protocol):
    """What has a clock running, or has none."""

    clock: Clock | None


def patient(client: Client, call: Clocked) -> Client:
    """`client`, with the clock of `call` stopped while it is asked, where it can be asked anything."""
    return PatientClient(client, call) if client.capabilities else client


class PatientClient:
    """A client whose call's clock stands still for as long as it is being asked: people take their time."""

    __slots__ = (
        "_asked",
        "_call",
        "_client",
        "_left_s",
        "capabilities",
        "meta",
        "takes_rounds",
        "wants_progress",
        "who",
    )

    def __init__(self, client: Client, call: Clocked) -> None:
        """`call` is the one that asks."""
        self._client = client
        self._call = call
        self._asked = 0
        self._left_s = 0.0
        self.who = client.who
        self.capabilities = client.capabilities
        self.meta = client.meta
        self.wants_progress = client.wants_progress
        self.takes_rounds = client.takes_rounds

    async def ask(self, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Ask with the clock stopped."""
        clock, loop = self._call.clock, asyncio.get_running_loop()
        when = None if clock is None else clock.when()
        if clock is not None and when is not None:
            self._left_s = when - loop.time()
            clock.reschedule(None)
        self._asked += 1
        try:
            return await self._client.ask(method, params)
        finally:
            self._asked -= 1
            clock = self._call.clock  # which is another one where a task has gone on with the call
            if clock is not None and not self._asked:
                with suppress(RuntimeError):  # the call is over: its clock runs no more
                    clock.reschedule(loop.time() + self._left_s)

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Pass on as ever."""
        self._client.tell(method, params)
