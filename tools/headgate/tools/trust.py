"""What speaks against believing a tool's definition, or against using the tool at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from headgate.tools.schema import harm_in


@dataclass(frozen=True, slots=True)
class Concern:
    """What speaks against one definition."""

    reason: str
    """A clause, to stand beside the reason of a class."""
    advice: str
    """A sentence that says it to whoever wants to use the tool, and what can be done."""
    denies: bool = False
    """Whether the tool is out of use for it."""
    doubts: bool = False
    """Whether what the tool's annotations say is not believed for it."""


def harm_of(definition: Mapping[str, Any]) -> str | None:
    """What `harm_in` says of the input schema, where there is one."""
    schema = definition.get("inputSchema")
    return harm_in(cast("Mapping[str, Any]", schema)) if isinstance(schema, Mapping) else None


def unfit(harm: str) -> Concern:
    """The concern about a tool whose schema nobody should have to hold values against; `harm` as `harm_in` says it."""
    reason = f"its input schema {harm}"
    advice = (
        f"{reason}. With check_arguments = false for it in headgate.toml, it is called without a look at its schema"
    )
    return Concern(reason, advice, denies=True)
