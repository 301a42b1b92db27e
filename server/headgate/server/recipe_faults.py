"""Telling the operator what the upstreams' tools have against the recipes."""

import asyncio
import logging

from headgate.server.gate import Gate

logger = logging.getLogger(__name__)


async def tell_of_faults(gate: Gate) -> None:
    """Log each fault once: when every upstream is known, and when the catalogue is another. Runs until cancelled."""
    told: set[str] = set()
    changed = asyncio.Event()
    unwatch = gate.watch(changed.set)
    try:
        while gate.settings.recipes:
            changed.clear()
            faults = gate.recipes.faults(gate.catalogue()) if gate.all_known else ()
            for fault in faults:
                if fault not in told:
                    logger.warning("%s", fault)
            told.update(faults)
            await changed.wait()
    finally:
        unwatch()
