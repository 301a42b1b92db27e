"""A look at what an upstream lists, one tool at a time, so that a long list holds up nobody."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from headgate.proxy.pins import Examined
from headgate.tools.classify import classify
from headgate.tools.rules import UpstreamRules
from headgate.tools.trust import harm_of, pin_of


async def examine(definitions: Sequence[Mapping[str, Any]], rules: UpstreamRules) -> tuple[Examined, ...]:
    """Each tool that the rules admit, looked at; of two with one name the first."""
    found: dict[str, Examined] = {}
    for definition in definitions:
        name = definition.get("name")
        if isinstance(name, str) and name not in found and rules.admits(name):
            await asyncio.sleep(0)
            found[name] = _examined(name, definition, rules)
    return tuple(found.values())


def _examined(name: str, definition: Mapping[str, Any], rules: UpstreamRules) -> Examined:
    own = rules.of(name)
    harm = harm_of(definition) if own.check_arguments else None
    if harm is not None:
        return Examined(name, definition, None, harm)
    try:
        kind, _ = classify(definition, own, trusted=rules.trust_annotations)
        return Examined(name, definition, pin_of(definition, kind))
    except RecursionError:
        return Examined(
            name, definition, None
        )  # too deep to be written down, and to be listed: its schema is not looked at
