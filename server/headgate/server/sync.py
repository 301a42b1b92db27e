"""The gate for programs without async: it lives on an event loop in a thread of its own."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from anyio.from_thread import BlockingPortal, start_blocking_portal

from headgate.server.gate import Gate
from headgate.server.opening import open_gate
from headgate.server.settings import Settings


class SyncGate:
    """What `Gate` offers, without async. Its methods may be called from any thread."""

    def __init__(self, gate: Gate, portal: BlockingPortal) -> None:
        """Calls go to `gate` through `portal`."""
        self._gate = gate
        self._portal = portal

    def batch(self, calls: object, **options: Any) -> dict[str, Any]:
        """Run `calls`, a list or a whole request, and give the contract's reply."""

        async def run() -> dict[str, Any]:
            return await self._gate.batch(calls, **options)

        return self._portal.call(run)

    def call(self, tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make one call; the upstream's own `tools/call` result.

        Raises:
            CallFailedError: There is no result, and why.

        """
        return self._portal.call(self._gate.call, tool, arguments)

    def answer_openai(self, message: object, **options: Any) -> list[dict[str, Any]]:
        """As `Gate.answer_openai`."""

        async def run() -> list[dict[str, Any]]:
            return await self._gate.answer_openai(message, **options)

        return self._portal.call(run)

    def answer_anthropic(self, content: object, **options: Any) -> list[dict[str, Any]]:
        """As `Gate.answer_anthropic`."""

        async def run() -> list[dict[str, Any]]:
            return await self._gate.answer_anthropic(content, **options)

        return self._portal.call(run)

    def tools_for(self, api: Literal["chat", "responses", "messages"]) -> list[dict[str, Any]]:
        """As `Gate.tools_for`."""
        return self._portal.call(self._gate.tools_for, api)

    def settled(self, timeout_s: float) -> None:
        """Wait until each upstream is listed or has failed, for `timeout_s` at most."""
        self._portal.call(self._gate.settled, timeout_s)


@contextmanager
def open_gate_sync(settings: Settings | str | Path) -> Generator[SyncGate]:
    """`open_gate` without async.

    Raises:
        SettingsError: The file is not as it should be.

    """
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_gate(settings)) as gate:
        yield SyncGate(gate, portal)
