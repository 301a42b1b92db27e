"""A look at what an upstream lists, one tool at a time, so that a long list holds up nobody."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from headgate.tools.rules import UpstreamRules
from headgate.tools.trust import Concern, harm_of, unfit


async def concerns_about(definitions: Sequence[Mapping[str, Any]], rules: UpstreamRules) -> Mapping[str, Concern]:
    """What speaks against `definitions`, by the tools' names."""
    found: dict[str, Concern] = {}
    for definition in definitions:
        await asyncio.sleep(0)
        name = definition.get("name")
        if not isinstance(name, str) or name in found or not rules.of(name).check_arguments:
            continue
        harm = harm_of(definition)
        if harm is not None:
            found[name] = unfit(harm)
    return found
