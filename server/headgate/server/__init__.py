"""How calls come in: the MCP server, the settings file, the command line, and the root where all is put together.

`open_gate` is for programs of your own: a gate over the tool servers of a headgate.toml.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headgate.server.gate import Gate
    from headgate.server.opening import open_gate
    from headgate.server.sync import SyncGate, open_gate_sync

__all__ = ["Gate", "SyncGate", "open_gate", "open_gate_sync"]

_HOMES = {"Gate": "gate", "open_gate": "opening", "SyncGate": "sync", "open_gate_sync": "sync"}


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is: the command line starts without most of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
